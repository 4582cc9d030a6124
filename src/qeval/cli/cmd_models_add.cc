#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/registry/model_import.h"
#include "qeval/registry/model_registry.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

Result<int> add(const std::string& source) {
  QEVAL_TRY(ModelSpec model, import_model(source));
  QEVAL_CHECK(make_directories("models"));
  std::string path = fmt::format("models/{}.yaml", model.id);
  if (file_exists(path)) return bad_input(fmt::format("{}: is there already", path));
  std::string yaml = model_yaml(model);
  // What is written must be readable, or the next command fails for a reason that nobody understands.
  QEVAL_CHECK(parse_models(yaml, path));
  QEVAL_CHECK(write_file_atomic(path, yaml));
  fmt::print("{}", yaml);
  console().note("written: " + path);
  return kDone;
}

}  // namespace

void add_models_add_command(CLI::App& models, Command& command) {
  auto source = std::make_shared<std::string>();
  CLI::App* sub = models.add_subcommand("add", "Make a row from a model's config.json, in ./models");
  sub->add_option("source", *source, "hf:ORG/REPO, a folder with config.json, or the file")->required();
  add_examples(*sub, "  qeval models add hf:Qwen/Qwen3-8B");
  sub->callback([&command, source] { command.action = [source] { return add(*source); }; });
}

}  // namespace qeval
