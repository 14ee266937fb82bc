// One unit of a recurrent cell at one step, forward and backward: the same arithmetic on every device.
#pragma once

#include "clew/core/half.h"
#include "kernels/math.h"

namespace clew::kernels {

/// Gates come as sums and leave as values.
template <class T>
CLEW_HD void lstm_forward(T& i, T& f, T& g, T& o, T c_prev, T& c, T& h) {
  i = math::sigmoid(i);
  f = math::sigmoid(f);
  g = math::tanh(g);
  o = math::sigmoid(o);
  c = f * c_prev + i * g;
  h = o * math::tanh(c);
}

template <class T>
CLEW_HD T lstm_output(T o, T c) {
  return o * math::tanh(c);
}

/// `dc` comes as the gradient of the cell after the step and leaves as that before it.
template <class T>
CLEW_HD void lstm_backward(T& di, T& df, T& dg, T& d_o, T& dc, T dh, T i, T f, T g, T o, T c_prev, T c) {
  const T t = math::tanh(c);
  const T d = dc + dh * o * (T(1) - t * t);
  di = d * g * i * (T(1) - i);
  df = d * c_prev * f * (T(1) - f);
  dg = d * i * (T(1) - g * g);
  d_o = dh * t * o * (T(1) - o);
  dc = d * f;
}

/// x: sums of the input; r, z and hn come as sums of the hidden state, with their bias.
template <class T>
CLEW_HD void gru_forward(T& r, T& z, T& n, T hn, T x_r, T x_z, T x_n, T h_prev, T& h) {
  r = math::sigmoid(x_r + r);
  z = math::sigmoid(x_z + z);
  n = math::tanh(x_n + r * hn);
  h = (T(1) - z) * n + z * h_prev;
}

/// Gradients of the sums; of the hidden state's third one, dn * r. `dh` leaves as the part that passes by.
template <class T>
CLEW_HD void gru_backward(T& dr, T& dz, T& dn, T& dhn, T& dh, T r, T z, T n, T hn, T h_prev) {
  const T d = dh;
  dz = d * (h_prev - n) * z * (T(1) - z);
  dn = d * (T(1) - z) * (T(1) - n * n);
  dr = dn * hn * r * (T(1) - r);
  dhn = dn * r;
  dh = d * z;
}

/// NaN passes.
template <class T>
CLEW_HD T rnn_relu(T x) {
  return x < T(0) ? T(0) : x;
}
template <class T>
CLEW_HD T rnn_relu_backward(T g, T y) {
  return y > T(0) ? g : T(0);
}
template <class T>
CLEW_HD T rnn_tanh_backward(T g, T y) {
  return g * (T(1) - y * y);
}

}  // namespace clew::kernels
