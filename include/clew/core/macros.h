// Compiler-facing macros shared by every public header.
#pragma once

// Everything is built with hidden visibility; CLEW_API marks what the shared library exports.
#define CLEW_API __attribute__((visibility("default")))

// On the declaration of a hot thread-local: it is read by one move off the thread pointer.
#define CLEW_FAST_TLS [[gnu::tls_model("initial-exec")]]

#define CLEW_LIKELY(x) __builtin_expect(!!(x), 1)
#define CLEW_UNLIKELY(x) __builtin_expect(!!(x), 0)
