// A ConvNet learns handwritten digits, without Python:
//   python export_digits.py data && cmake -B build && cmake --build build && build/digits data
#include <clew/clew.h>

#include <iostream>
#include <string>

using clew::Tensor;
namespace nn = clew::nn;
namespace data = clew::data;

struct Net : nn::Module {
  CLEW_MODULE(Net)
  nn::Conv2d conv1 = register_module(
      "conv1", nn::Conv2d({.in_channels = 1, .out_channels = 16, .kernel_size = 3, .padding = 1}));
  nn::BatchNorm2d norm1 = register_module("norm1", nn::BatchNorm2d(16));
  nn::Conv2d conv2 = register_module(
      "conv2", nn::Conv2d({.in_channels = 16, .out_channels = 32, .kernel_size = 3, .padding = 1}));
  nn::BatchNorm2d norm2 = register_module("norm2", nn::BatchNorm2d(32));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.25));
  nn::Linear out = register_module("out", nn::Linear(32 * 4, 10));

  Tensor forward(const Tensor& images) {
    Tensor x = max_pool2d(relu(norm1(conv1(images))), {2, 2});
    x = max_pool2d(relu(norm2(conv2(x))), {2, 2});
    return out(dropout(x.flatten(1)));
  }
};

double accuracy(Net& net, const data::TensorDataset& digits) {
  const clew::NoGradGuard no_grad;
  net.eval();
  const Tensor right = net(digits.data()).argmax(1) == digits.target();
  net.train();
  return 100 * right.to(clew::kDouble).mean().item<double>();
}

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "data";
  clew::manual_seed(0);
  const auto train = data::idx_images(folder + "/train-images.idx", folder + "/train-labels.idx");
  const auto test = data::idx_images(folder + "/test-images.idx", folder + "/test-labels.idx");

  Net net;
  std::cout << net << "\n";
  const int epochs = 20;
  const auto loader = data::make_data_loader(train, {.batch_size = 32, .shuffle = true, .workers = 1});
  clew::optim::Adam optimizer(net.parameters(), {.lr = 2e-3});
  clew::optim::CosineAnnealingLR schedule(optimizer, epochs);
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double total = 0;
    for (const data::Example& batch : loader) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(batch.data), batch.target);
      loss.backward();
      optimizer.step();
      total += loss.item<double>();
    }
    schedule.step();
    if (epoch % 5 == 0) std::cout << "epoch " << epoch << ", loss " << total / double(loader.size()) << "\n";
  }

  const std::string path = folder + "/digits.safetensors";
  clew::save(net, path);
  Net again;
  clew::load(again, path);
  std::cout << "test accuracy: " << accuracy(again, test) << " %\n";
  return 0;
} catch (const clew::Error& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
