#include "qeval/bfcl/bfcl_tools.h"

#include <fmt/format.h>

#include <mutex>
#include <optional>

#include "qeval/bfcl/package.h"
#include "qeval/bfcl/program.h"
#include "qeval/sandbox/sandbox.h"

namespace qeval {
namespace {

// What a run of the program gave.
struct Answer {
  Json result;                     // null where `fault` is set
  std::optional<CallFault> fault;
};

SandboxLimits limits() {
  SandboxLimits out;
  out.wall = std::chrono::seconds(10);              // milliseconds are usual
  out.output_bytes = size_t{32} << 20;              // long contexts, read again and again
  return out;
}

std::optional<CallFault> calls_fault(const ProgramRun& run) {
  switch (run.verdict) {
    case SandboxVerdict::time_out: return CallFault{FailureClass::time_out, "a call did not come back: " + run.detail};
    case SandboxVerdict::memory_limit: return CallFault{FailureClass::memory_limit, "a call took too much memory: " + run.detail};
    case SandboxVerdict::output_limit: return CallFault{FailureClass::memory_limit, "the calls' results are too long: " + run.detail};
    case SandboxVerdict::exited: return CallFault{FailureClass::runtime_error, "a call ended the tools: " + run.detail};
    default: return std::nullopt;
  }
}

std::string list(const Json& items) {
  std::string out;
  for (const Json& item : items) out += (out.empty() ? "" : "; ") + (item.is_string() ? item.get<std::string>() : dump_json(item));
  return out;
}

std::string explanation_of(const Json& result) {
  std::string out = json_string(result, "message");
  if (result.contains("missing")) out += " Missing: " + list(result["missing"]);
  if (result.contains("differences"))
    for (const Json& d : result["differences"])
      out += fmt::format(" {}: {} was expected, not {}.", d[0].get<std::string>(), d[2].get<std::string>(), d[1].get<std::string>());
  return out;
}

class BfclTools final : public OutsideTools {
 public:
  explicit BfclTools(BfclToolsOptions options) : options_(std::move(options)) {}

  std::string missing() const override {
    const auto& found = package();
    return found ? "" : found.error().message;
  }
  std::string version() const override {
    const auto& found = package();
    return found ? fmt::format("bfcl-eval {}, Python {}", found->version, found->python_version) : "";
  }
  Result<std::string> backend() override {
    QEVAL_TRY(Sandbox* box, sandbox());
    return version() + ", " + box->backend();
  }

  Result<OutsideRun> carry_out(const Json& scenario, const Json& turns) override {
    QEVAL_TRY(Answer answer, run({{"op", "carry_out"}, {"scenario", scenario}, {"turns", turns}}));
    OutsideRun out;
    out.fault = std::move(answer.fault);
    if (!out.fault) out.results = std::move(answer.result["results"]);
    return out;
  }

  Result<OutsideVerdict> judge(const Json& scenario, const Json& turns, const Json& accepted) override {
    QEVAL_TRY(Answer answer, run({{"op", "judge"}, {"scenario", scenario}, {"turns", turns}, {"accepted", accepted}}));
    OutsideVerdict out;
    out.fault = std::move(answer.fault);
    if (out.fault) return out;
    out.valid = json_bool(answer.result, "valid");
    out.error_type = json_string(answer.result, "error_type");
    out.turn = static_cast<int>(json_int(answer.result, "turn", -1));
    if (!out.valid) out.explanation = explanation_of(answer.result);
    return out;
  }

  Result<Json> read_accepted(const Json& scenario, const Json& accepted) override {
    QEVAL_TRY(Answer answer, run({{"op", "read_accepted"}, {"scenario", scenario}, {"accepted", accepted}}));
    if (answer.fault) return fail(ErrorKind::environment, answer.fault->detail);
    return std::move(answer.result["turns"]);
  }

 private:
  const Result<BfclPackage>& package() const {
    std::lock_guard lock(mutex_);
    if (!package_) package_ = find_bfcl_package(options_.python);
    return *package_;
  }

  Result<Sandbox*> sandbox() {
    const auto& found = package();
    if (!found) return fail(found.error());
    std::lock_guard lock(mutex_);
    if (!sandbox_) {
      SandboxOptions wanted;
      wanted.allow_unsafe = options_.allow_unsafe;
      wanted.force_backend = options_.force_backend;
      wanted.python = found->python;
      wanted.packages = found->packages;
      wanted.preload = bfcl_modules();
      wanted.fixed_hashes = true;  // some results are printed sets
      sandbox_ = open_sandbox(wanted);
    }
    if (!*sandbox_) return fail(sandbox_->error());
    return (*sandbox_)->get();
  }

  // A pass, and only that, stands for "valid": what the program printed never decides.
  Result<Answer> run(const Json& request) {
    QEVAL_TRY(Sandbox* box, sandbox());
    ProgramRun ran = box->run(bfcl_program(request), limits());
    Answer out;
    out.fault = calls_fault(ran);
    if (out.fault) return out;
    const bool passed = ran.verdict == SandboxVerdict::passed;
    if (!passed && ran.verdict != SandboxVerdict::failed) return fail(ErrorKind::environment, fmt::format("bfcl-eval: {}: {}", to_string(ran.verdict), ran.detail));
    size_t at = ran.output.rfind(kResultMark);
    if (at == std::string::npos) return fail(ErrorKind::environment, fmt::format("bfcl-eval said nothing: {}", ran.detail));
    std::string text = ran.output.substr(at + std::string(kResultMark).size());
    auto result = parse_json(text);
    if (!result || !result->is_object()) return fail(ErrorKind::environment, "bfcl-eval's result cannot be read");
    if (json_bool(*result, "valid", true) != passed) return fail(ErrorKind::environment, "bfcl-eval's result does not agree with how it ended");
    out.result = std::move(*result);
    return out;
  }

  const BfclToolsOptions options_;
  mutable std::mutex mutex_;
  mutable std::optional<Result<BfclPackage>> package_;
  std::optional<Result<std::unique_ptr<Sandbox>>> sandbox_;
};

}  // namespace

std::unique_ptr<OutsideTools> make_bfcl_tools(const BfclToolsOptions& options) { return std::make_unique<BfclTools>(options); }

}  // namespace qeval
