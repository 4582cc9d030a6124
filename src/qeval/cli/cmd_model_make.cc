#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/registry/model_registry.h"
#ifdef QEVAL_WITH_LLAMA
#include "qeval/engine/llama/model_maker.h"
#endif

namespace qeval {
namespace {

struct ModelMakeArguments {
  std::string like, from, type = "F32", out, vocab;
  int n_layers = 0, d_model = 0, context = 0;
  uint64_t seed = 1;
};

Result<int> make(const ModelMakeArguments& o) {
#ifdef QEVAL_WITH_LLAMA
  if (o.like.empty() == o.from.empty()) return fail(ErrorKind::usage, "model make needs either --like MODEL or --from FILE.gguf");
  if (!o.from.empty()) {
    QEVAL_CHECK(requantise_gguf(o.from, o.out, o.type));
  } else {
    QEVAL_TRY(auto models, all_models());
    SyntheticModelOptions options;
    QEVAL_TRY(options.like, find_model(models, o.like));
    options.n_layers = o.n_layers;
    options.d_model = o.d_model;
    options.context = o.context;
    options.vocab_gguf = o.vocab;
    options.type = o.type;
    options.seed = o.seed;
    options.progress = [](float share) {
      console().progress(fmt::format("writing random weights: {:.0f} %", 100 * share));
      return true;
    };
    QEVAL_CHECK(make_synthetic_gguf(options, o.out));
    console().progress_done();
    console().note("random weights: speed and memory mean something, quality does not");
  }
  fmt::print("{}\n", o.out);
  return kDone;
#else
  (void)o;
  return fail(ErrorKind::environment, "this qeval was built without the embedded engine (QEVAL_LLAMA=OFF)");
#endif
}

}  // namespace

void add_model_make_command(CLI::App& app, Command& command) {
  CLI::App* model = app.add_subcommand("model", "Make GGUF files: synthetic weights of a model's shape, or another type");
  model->require_subcommand(1);
  auto o = std::make_shared<ModelMakeArguments>();
  CLI::App* sub = model->add_subcommand("make", "Write a GGUF");
  sub->add_option("--like", o->like, "Registry id whose shape is taken; weights are random");
  sub->add_option("--from", o->from, "GGUF to write again with another type of weights");
  sub->add_option("--type", o->type, "F32, F16, BF16, Q8_0, Q4_K_M, …")->capture_default_str();
  sub->add_option("--layers", o->n_layers, "Fewer layers (default: as the model)");
  sub->add_option("--width", o->d_model, "Smaller width; heads and feed-forward shrink with it");
  sub->add_option("--context", o->context, "Context length (default: as the model)");
  sub->add_option("--vocab", o->vocab, "GGUF whose tokenizer is copied (default: a small byte-level one)");
  sub->add_option("--seed", o->seed, "Same options and seed, same bytes")->capture_default_str();
  sub->add_option("-o,--output", o->out, "File to write")->required();
  add_examples(*sub, "  qeval model make --like qwen3-0.6b --layers 4 --width 256 -o tiny.gguf\n"
                     "  qeval model make --from model.Q4_1.gguf --type F32 -o model.F32.gguf");
  sub->callback([&command, o] { command.action = [o] { return make(*o); }; });
}

}  // namespace qeval
