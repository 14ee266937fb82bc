// The tape in Python: backward, grad, nodes, hooks, modes, custom Functions, gradcheck.
#include "bindings/src/autograd.h"

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "autograd/custom_node.h"
#include "bindings/src/caster.h"
#include "bindings/src/provenance.h"
#include "clew/autograd/autograd.h"
#include "clew/ops/ops.h"

namespace py = pybind11;

namespace clew::python {
namespace {

using autograd::Node;

// --- provenance --------------------------------------------------------------------------------------

std::string describe(const autograd::Provenance& p) {
  const AcquireGil gil;
  auto* code = static_cast<PyCodeObject*>(const_cast<void*>(p.code));
  const py::object file = py::reinterpret_borrow<py::object>(code->co_filename),
                   name = py::reinterpret_borrow<py::object>(code->co_name);
  const int line = PyCode_Addr2Line(code, p.instruction);
  std::string text = py::str(file).cast<std::string>() + ":" + std::to_string(line) + ", in " +
                     py::str(name).cast<std::string>();
  try {
    const std::string source =
        py::str(py::module_::import("linecache").attr("getline")(file, line).attr("strip")())
            .cast<std::string>();
    if (!source.empty()) text += ": " + source;
  } catch (const py::error_already_set&) {  // the place is enough
  }
  return text;
}

// --- nodes -------------------------------------------------------------------------------------------

struct PyNode {
  Ref<Node> node;
};

std::string utf8(const py::handle& o) { return py::str(o).cast<std::string>(); }

// The node of a Python Function.
class PythonNode final : public autograd::CustomNode {
 public:
  PythonNode(std::string function, PyObject* context) : CustomNode(std::move(function)), context_(context) {}

  /// An attribute of the context, as user code expects of `y.grad_fn.saved_tensors`.
  py::object attribute(const std::string& attribute_name) {
    return with_node(
        [&](const py::object& context) { return py::object(context.attr(attribute_name.c_str())); });
  }

 protected:
  TensorList backward(TensorList grads) override {
    const AcquireGil gil;
    try {
      return with_node([&](const py::object& context) {
        py::tuple args(grads.size());
        for (size_t i = 0; i < grads.size(); ++i) args[i] = py::reinterpret_steal<py::object>(wrap(grads[i]));
        return gradients(context, context.attr("_run_backward")(*args));
      });
    } catch (py::error_already_set& e) {
      // The traceback shows the backward; the note says which forward it belongs to.
      if (const std::string line = forward_line(); !line.empty())
        e.value().attr("add_note")("in " + name() + ", recorded by: " + line);
      throw;
    }
  }
  std::string argument(size_t i) const override {
    const AcquireGil gil;
    try {
      const py::object context = py::reinterpret_borrow<py::object>(context_.get());
      return "argument " + utf8(context.attr("_argument_name")(i));
    } catch (const py::error_already_set&) {  // a forward without a signature
      return CustomNode::argument(i);
    }
  }

 private:
  void destroy() noexcept override { delete this; }
  TensorList gradients(const py::object& context, const py::object& result) const {
    const py::tuple items = py::isinstance<py::tuple>(result) || py::isinstance<py::list>(result)
                                ? py::tuple(result)
                                : py::make_tuple(result);
    TensorList out;
    for (size_t i = 0; i < items.size(); ++i) {
      PyObject* item = items[i].ptr();
      CLEW_CHECK(item == Py_None || is_tensor(item), TypeError, function(),
                 ".backward: expected a tensor or None as gradient ", i, ", got ", Py_TYPE(item)->tp_name);
      out.push_back(item == Py_None ? Tensor() : as_tensor(item));
    }
    // None beyond the arguments does no harm, and PyTorch allows it.
    const size_t n = context.attr("_argument_count").cast<size_t>();
    while (out.size() > n && !out.back().defined()) out.pop_back();
    return out;
  }
  // The context sees its node only during a call: a lasting reference would be a cycle through C++.
  template <class F>
  std::invoke_result_t<F, const py::object&> with_node(F&& f) {
    const py::object context = py::reinterpret_borrow<py::object>(context_.get());
    const py::object outer = context.attr("_node");
    context.attr("_node") = py::cast(PyNode{Ref<Node>::share(this)});
    struct Reset {
      const py::object &context, &outer;
      ~Reset() { PyObject_SetAttrString(context.ptr(), "_node", outer.ptr()); }
    } reset{context, outer};
    return f(context);
  }
  SharedObject context_;
};

// None where an item is no tensor.
TensorList tensors_among(const py::handle& items) {
  TensorList out;
  for (const py::handle& item : items)
    out.push_back(is_tensor(item.ptr()) ? as_tensor(item.ptr()) : Tensor());
  return out;
}

/// Makes `outputs` results of a Python Function over `inputs`; returns what takes their places.
py::tuple attach_function(const std::string& function, const py::object& context, const py::tuple& inputs,
                          const py::tuple& outputs, bool once_differentiable) {
  const autograd::FunctionRecord record{
      .to_save = tensors_among(context.attr("_to_save")),
      .dirty = tensors_among(context.attr("_dirty")),
      .non_differentiable = tensors_among(context.attr("_non_differentiable")),
      .materialize = context.attr("_materialize").cast<bool>(),
      .once_differentiable = once_differentiable};
  auto node = Ref<PythonNode>::adopt(new PythonNode(function, context.ptr()));
  TensorList results = tensors_among(outputs);
  node->record(tensors_among(inputs), results, record);
  py::tuple out(outputs.size());
  for (size_t i = 0; i < results.size(); ++i)
    out[i] =
        results[i].defined() ? py::reinterpret_steal<py::object>(wrap(results[i])) : py::object(outputs[i]);
  return out;
}

// --- hooks of saved tensors ------------------------------------------------------------------------------

class PythonSavedTensorHooks final : public autograd::SavedTensorHooks {
 public:
  PythonSavedTensorHooks(const py::object& pack, const py::object& unpack, SavedTensorHooks* enclosing)
      : outer(enclosing), pack_(pack.ptr()), unpack_(std::make_shared<SharedObject>(unpack.ptr())) {}

  Unpack pack(const Tensor& t) override {
    const AcquireGil gil;
    const py::object f = py::reinterpret_borrow<py::object>(pack_.get());
    const py::object packed = f(py::reinterpret_steal<py::object>(wrap(t)));
    return [unpack = unpack_, expected = t.meta(),
            kept = std::make_shared<SharedObject>(packed.ptr())]() -> Tensor {
      const AcquireGil inner;
      const py::object g = py::reinterpret_borrow<py::object>(unpack->get());
      const py::object out = g(py::reinterpret_borrow<py::object>(kept->get()));
      CLEW_CHECK(is_tensor(out.ptr()), TypeError,
                 "saved_tensors_hooks: expected a Tensor from unpack_hook, got ",
                 Py_TYPE(out.ptr())->tp_name);
      const Tensor& back = as_tensor(out.ptr());
      CLEW_CHECK(back.sizes() == IntArrayRef(expected.shape) && back.dtype() == expected.dtype, ShapeError,
                 "saved_tensors_hooks: expected a tensor of shape ", expected.shape, " and dtype ",
                 expected.dtype, " from unpack_hook, got ", back.sizes(), " and ", back.dtype());
      return back;
    };
  }

  SavedTensorHooks* outer;

 private:
  SharedObject pack_;
  std::shared_ptr<SharedObject> unpack_;
};

// Packed tensors share what they need with these; the stack itself is the thread's.
void push_saved_tensors_hooks(const py::object& pack, const py::object& unpack) {
  thread_state.saved_hooks = new PythonSavedTensorHooks(pack, unpack, thread_state.saved_hooks);
}

void pop_saved_tensors_hooks() {
  auto* top = static_cast<PythonSavedTensorHooks*>(thread_state.saved_hooks);
  CLEW_CHECK(top != nullptr, AutogradError, "saved_tensors_hooks: expected hooks to leave, got none");
  thread_state.saved_hooks = top->outer;
  delete top;
}

Tensor call_hook(const SharedObject& hook, const Tensor& g) {
  const AcquireGil gil;
  const Object argument(wrap(g));
  const Object result(PyObject_CallOneArg(hook.get(), argument.get()));
  if (!result) throw py::error_already_set();
  if (result.get() == Py_None) return {};
  CLEW_CHECK(is_tensor(result.get()), TypeError, "hook: expected a tensor or None, got ",
             Py_TYPE(result.get())->tp_name);
  return as_tensor(result.get());
}

py::object to_tuple(const GradList& list) {
  py::tuple t(list.size());
  for (size_t i = 0; i < list.size(); ++i) t[i] = py::reinterpret_steal<py::object>(wrap(list[i]));
  return t;
}
void from_tuple(const py::object& o, GradList& list, const char* what) {
  if (o.is_none()) return;
  const py::tuple t = py::isinstance<py::tuple>(o) ? py::tuple(o) : py::make_tuple(o);
  CLEW_CHECK(t.size() == list.size(), ValueError, what, ": expected ", list.size(), " gradients, got ",
             t.size());
  for (size_t i = 0; i < list.size(); ++i) list[i] = t[i].is_none() ? Tensor() : t[i].cast<Tensor>();
}

std::atomic<uint64_t> next_node_hook{1};

TensorList tensor_list(const py::object& o, const char* op) {
  TensorList out;
  if (o.is_none()) return out;
  if (is_tensor(o.ptr())) return {as_tensor(o.ptr())};
  for (const py::handle& item : o) {
    CLEW_CHECK(item.is_none() || is_tensor(item.ptr()), TypeError, op, ": expected tensors, got ",
               Py_TYPE(item.ptr())->tp_name);
    out.push_back(item.is_none() ? Tensor() : as_tensor(item.ptr()));
  }
  return out;
}

}  // namespace

PyObject* wrap_node(Ref<Node> node) {
  if (!node) return Py_NewRef(Py_None);
  return py::cast(PyNode{std::move(node)}).release().ptr();
}

void init_autograd(py::module_& m) {
  py::class_<PyNode>(m, "Node", "A node of the tape: made by an op, run by backward.")
      .def(
          "name", [](const PyNode& n) { return n.node->name(); }, "Name of the op, with 'Backward'.")
      .def("__repr__", [](const PyNode& n) { return "<" + n.node->name() + ">"; })
      .def("__eq__",
           [](const PyNode& a, const py::object& b) {
             return py::isinstance<PyNode>(b) && b.cast<PyNode&>().node == a.node;
           })
      .def("__hash__", [](const PyNode& n) { return reinterpret_cast<uintptr_t>(n.node.get()) >> 4; })
      .def_property_readonly("next_functions",
                             [](const PyNode& n) {
                               py::tuple t(n.node->edges.size());
                               for (size_t i = 0; i < n.node->edges.size(); ++i) {
                                 const autograd::Edge& e = n.node->edges[i];
                                 t[i] = py::make_tuple(py::reinterpret_steal<py::object>(wrap_node(e.node)),
                                                       e.input_nr);
                               }
                               return t;
                             })
      .def_property_readonly("variable",
                             [](const PyNode& n) -> py::object {
                               if (!n.node->is_accumulator())
                                 throw py::attribute_error("variable: only AccumulateGrad nodes have it");
                               return py::reinterpret_steal<py::object>(
                                   wrap(static_cast<autograd::AccumulateGrad*>(n.node.get())->variable()));
                             })
      .def_property_readonly(
          "forward_line", [](const PyNode& n) { return n.node->forward_line(); },
          "The line of Python that recorded this node: 'file:line, in function: source'.")
      .def("__getattr__",
           [](const PyNode& n, const std::string& name) {
             auto* python_node = dynamic_cast<PythonNode*>(n.node.get());
             if (python_node == nullptr || name.starts_with("__"))
               throw py::attribute_error("Node has no attribute '" + name + "'");
             return python_node->attribute(name);
           })
      .def_property_readonly("_saved_tensors",
                             [](const PyNode& n) {
                               py::list out;
                               if (auto* custom = dynamic_cast<autograd::CustomNode*>(n.node.get())) {
                                 for (const Tensor& t : custom->saved_tensors())
                                   out.append(py::reinterpret_steal<py::object>(wrap(t)));
                               }
                               if (auto* op = dynamic_cast<autograd::OpNode*>(n.node.get())) {
                                 for (const auto& s : op->saved) {
                                   if (s.tensor.defined())
                                     out.append(py::reinterpret_steal<py::object>(wrap(s.tensor.unpack(op))));
                                 }
                               }
                               return out;
                             })
      .def("_register_hook",
           [](PyNode& n, const py::object& hook) {
             const uint64_t key = next_node_hook++;
             n.node->make_hooks().after.emplace_back(
                 key, [hook = SharedObject(hook.ptr())](GradList& in, const GradList& out) {
                   const AcquireGil gil;
                   const py::object f = py::reinterpret_borrow<py::object>(hook.get());
                   from_tuple(f(to_tuple(in), to_tuple(out)), in, "hook");
                 });
             return key;
           })
      .def("_register_prehook",
           [](PyNode& n, const py::object& hook) {
             const uint64_t key = next_node_hook++;
             n.node->make_hooks().before.emplace_back(key, [hook = SharedObject(hook.ptr())](GradList& out) {
               const AcquireGil gil;
               const py::object f = py::reinterpret_borrow<py::object>(hook.get());
               from_tuple(f(to_tuple(out)), out, "hook");
             });
             return key;
           })
      .def("_remove_hook", [](PyNode& n, uint64_t key) {
        if (!n.node->hooks) return;
        std::erase_if(n.node->hooks->after, [&](const auto& h) { return h.first == key; });
        std::erase_if(n.node->hooks->before, [&](const auto& h) { return h.first == key; });
      });

  m.def("_backward", [](const py::object& tensors, const py::object& grads, bool retain_graph,
                        bool create_graph, const py::object& inputs) {
    const TensorList t = tensor_list(tensors, "backward"), in = tensor_list(inputs, "backward");
    TensorList g = tensor_list(grads, "backward");
    const py::gil_scoped_release release;
    autograd::backward(t, std::move(g), retain_graph, create_graph, in);
  });
  m.def("_grad", [](const py::object& outputs, const py::object& inputs, const py::object& grads,
                    bool retain_graph, bool create_graph, bool allow_unused) {
    const TensorList out = tensor_list(outputs, "grad"), in = tensor_list(inputs, "grad");
    TensorList g = tensor_list(grads, "grad"), result;
    {
      const py::gil_scoped_release release;
      result = autograd::grad(out, in, std::move(g), retain_graph, create_graph, allow_unused);
    }
    return to_tuple(GradList(result.begin(), result.end()));
  });
  m.def("_attach_function", &attach_function);
  m.def("_register_hook", [](const Tensor& t, const py::object& hook) {
    return autograd::register_hook(
        t, [hook = SharedObject(hook.ptr())](const Tensor& g) { return call_hook(hook, g); });
  });
  m.def("_register_post_accumulate_grad_hook", [](const Tensor& t, const py::object& hook) {
    return autograd::register_post_accumulate_grad_hook(
        t, [hook = SharedObject(hook.ptr())](const Tensor& leaf) { call_hook(hook, leaf); });
  });
  m.def("_push_saved_tensors_hooks", &push_saved_tensors_hooks);
  m.def("_pop_saved_tensors_hooks", &pop_saved_tensors_hooks);
  m.def("_remove_hook", [](const Tensor& t, uint64_t key) { autograd::remove_hook(t, key); });
  m.def("_gradcheck", [](const py::object& function, const py::object& inputs, double eps, double atol,
                         double rtol, bool second, uint64_t seed) {
    const TensorList in = tensor_list(inputs, "gradcheck");
    const autograd::TensorFunction f = [&](const TensorList& x) {
      const AcquireGil gil;
      py::tuple args(x.size());
      for (size_t i = 0; i < x.size(); ++i) args[i] = py::reinterpret_steal<py::object>(wrap(x[i]));
      return tensor_list(function(*args), "gradcheck");
    };
    return autograd::gradcheck(
        f, in, {.eps = eps, .atol = atol, .rtol = rtol, .check_second = second, .seed = seed});
  });
  m.def("is_grad_enabled", &is_grad_enabled, "True when ops record the tape on this thread.");
  m.def("_set_grad_enabled", &set_grad_enabled);
  m.def("is_inference_mode_enabled", &is_inference_mode, "True inside inference_mode.");
  m.def("_set_inference_mode", &set_inference_mode);
  m.def("is_anomaly_enabled", &is_anomaly_enabled, "True inside detect_anomaly.");
  m.def("_set_anomaly_enabled", &set_anomaly_enabled);
  m.def("_set_provenance", [](bool on) {
    const std::string file = py::str(py::module_::import("clew._C").attr("__file__")).cast<std::string>();
    set_package_directory(file.substr(0, file.rfind('/') + 1));
    autograd::describe_provenance = &describe;
    autograd::capture_provenance = on ? &capture_line : nullptr;
  });
}

}  // namespace clew::python
