// Modules of the second tier, as cases of clew_frontend.
#include "frontend.h"

using namespace clew;

Cases with_more(Cases cases) {
  using namespace nn;
  Cases more = {
      {"ConstantPad1d", [] { return one(ConstantPad1d({1, 2}, 0.5)); }},
      {"ConstantPad2d", [] { return one(ConstantPad2d(1, -1)); }},
      {"ConstantPad3d", [] { return one(ConstantPad3d({1, 0, 2, 1, 0, 3}, 2)); }},
      {"ZeroPad1d", [] { return one(ZeroPad1d(2)); }},
      {"ZeroPad2d", [] { return one(ZeroPad2d({1, 2, 0, 1})); }},
      {"ZeroPad3d", [] { return one(ZeroPad3d(1)); }},
      {"ReflectionPad1d", [] { return one(ReflectionPad1d(2)); }},
      {"ReflectionPad2d", [] { return one(ReflectionPad2d({1, 2, 0, 1})); }},
      {"ReflectionPad3d", [] { return one(ReflectionPad3d(1)); }},
      {"ReplicationPad1d", [] { return one(ReplicationPad1d(2)); }},
      {"ReplicationPad2d", [] { return one(ReplicationPad2d({1, 2, 0, 1})); }},
      {"ReplicationPad3d", [] { return one(ReplicationPad3d(1)); }},
      {"CircularPad1d", [] { return one(CircularPad1d(2)); }},
      {"CircularPad2d", [] { return one(CircularPad2d({1, 2, 0, 1})); }},
      {"CircularPad3d", [] { return one(CircularPad3d(1)); }},
      {"Unflatten", [] { return one(Unflatten(1, {2, -1})); }},
      {"Upsample", [] { return one(Upsample({.scale_factor = {2}, .mode = "bicubic"})); }},
      {"UpsamplingNearest2d", [] { return one(UpsamplingNearest2d({.size = {3, 9}})); }},
      {"UpsamplingBilinear2d", [] { return one(UpsamplingBilinear2d({.scale_factor = {2, 1.5}})); }},
      {"Softmin", [] { return one(Softmin(1)); }},
      {"Softmax2d", [] { return one(Softmax2d()); }},
      {"LogSigmoid", [] { return one(LogSigmoid()); }},
      {"CosineSimilarity", [] { return one(CosineSimilarity(0)); }},
      {"ConvTranspose1d",
       [] {
         return one(ConvTranspose1d({.in_channels = 4,
                                     .out_channels = 6,
                                     .kernel_size = 3,
                                     .stride = 2,
                                     .padding = 1,
                                     .output_padding = 1,
                                     .groups = 2}));
       }},
      {"ELU", [] { return one(ELU(0.5)); }},
      {"SELU", [] { return one(SELU()); }},
      {"CELU", [] { return one(CELU(2)); }},
      {"Softplus", [] { return one(Softplus(2, 3)); }},
      {"Mish", [] { return one(Mish()); }},
      {"Hardtanh", [] { return one(Hardtanh(-0.5, 1)); }},
      {"ReLU6", [] { return one(ReLU6()); }},
      {"Hardsigmoid", [] { return one(Hardsigmoid()); }},
      {"Hardswish", [] { return one(Hardswish()); }},
      {"Hardshrink", [] { return one(Hardshrink(0.3)); }},
      {"Softshrink", [] { return one(Softshrink(0.3)); }},
      {"Tanhshrink", [] { return one(Tanhshrink()); }},
      {"Softsign", [] { return one(Softsign()); }},
      {"Threshold", [] { return one(Threshold(0.1, 2)); }},
      {"GLU", [] { return one(GLU(1)); }},
      {"PReLU", [] { return one(PReLU({.num_parameters = 3})); }},
      {"RNNCell",
       [] {
         const RNNCell m({.input_size = 3, .hidden_size = 4, .nonlinearity = "relu"});
         return of(m, [m](const TensorList& x) -> TensorList { return {m(x[0], x[1])}; });
       }},
      {"GRUCell",
       [] {
         const GRUCell m(3, 4);
         return of(m, [m](const TensorList& x) -> TensorList { return {m(x[0])}; });
       }},
      {"LSTMCell",
       [] {
         const LSTMCell m({.input_size = 3, .hidden_size = 4, .bias = false});
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto [h, c] = m(x[0], {x[1], x[2]});
           return {h, c};
         });
       }},
      {"TransformerDecoderLayer",
       [] {
         return one(TransformerDecoderLayer(
             {.d_model = 8, .nhead = 2, .dim_feedforward = 12, .dropout = 0, .norm_first = true}));
       }},
      {"TransformerDecoder",
       [] {
         const TransformerDecoder m(
             {.d_model = 8, .nhead = 2, .dim_feedforward = 12, .dropout = 0, .batch_first = true}, 2);
         return of(m, [m](const TensorList& x) -> TensorList {
           return {m(x[0], x[1], {.tgt_mask = Transformer::generate_square_subsequent_mask(4)})};
         });
       }},
      {"Transformer",
       [] {
         return one(Transformer({.d_model = 8,
                                 .nhead = 2,
                                 .num_encoder_layers = 1,
                                 .num_decoder_layers = 2,
                                 .dim_feedforward = 12,
                                 .dropout = 0,
                                 .activation = "gelu"}));
       }},
  };
  cases.merge(more);
  return cases;
}
