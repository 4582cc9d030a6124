#include "qeval/text/regex.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <ctime>

#include "qeval/text/regex_syntax.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

constexpr uint32_t kMatchLimit = 2'000'000;       // steps of one attempt at one start position
constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr double kOperationSeconds = 4;           // CPU time of a whole search, findall, sub or split
constexpr int kAttemptsPerClockLook = 64;
constexpr size_t kJitStackBytes = 8 << 20;

struct CodeFree {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct MatchDataFree {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct MatchContextFree {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct CompileContextFree {
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
};
struct JitStackFree {
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

double thread_cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(code, buffer, sizeof buffer) < 0) return fmt::format("PCRE2 error {}", code);
  return reinterpret_cast<const char*>(buffer);
}

// The match limit bounds one attempt at one position. Text of n characters has n positions, so the whole operation is
// bounded by a clock that the callout before each attempt looks at now and then.
struct Deadline {
  double end = thread_cpu_seconds() + kOperationSeconds;
  int countdown = kAttemptsPerClockLook;
  bool passed() {
    if (--countdown > 0) return false;
    countdown = kAttemptsPerClockLook;
    return thread_cpu_seconds() > end;
  }
};

int before_attempt(pcre2_callout_block*, void* data) {
  return static_cast<Deadline*>(data)->passed() ? PCRE2_ERROR_CALLOUT : 0;
}

}  // namespace

struct Regex::Impl {
  std::unique_ptr<pcre2_code, CodeFree> code;
  RegexSyntax syntax;
  std::string pattern;
  bool jit = false;

  size_t n_groups() const { return static_cast<size_t>(syntax.n_groups); }
};

namespace {

// One operation over one subject; not shared between threads.
class Scan {
 public:
  Scan(const pcre2_code* code, const std::string& pattern, bool jit, std::string_view subject)
      : code_(code), pattern_(pattern), jit_(jit), subject_(subject) {
    if (!is_valid_utf8(subject)) {
      owned_ = valid_utf8(subject);
      subject_ = owned_;
    }
    data_.reset(pcre2_match_data_create_from_pattern(code, nullptr));
    context_.reset(pcre2_match_context_create(nullptr));
    if (!data_ || !context_) return;
    pcre2_set_match_limit(context_.get(), kMatchLimit);
    pcre2_set_heap_limit(context_.get(), kHeapLimitKib);
    pcre2_set_callout(context_.get(), before_attempt, &deadline_);
  }

  std::string_view subject() const { return subject_; }

  Result<bool> find(size_t from, uint32_t options) {
    if (!data_ || !context_) return fail(ErrorKind::environment, "out of memory for a regular expression");
    // A position inside a character is none; the next one is meant.
    while (from < subject_.size() && (static_cast<unsigned char>(subject_[from]) & 0xC0) == 0x80) ++from;
    if (from > subject_.size()) return false;
    int rc = run(from, options);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !stack_) {
      stack_.reset(pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr));
      pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
      rc = run(from, options);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = run(from, options | PCRE2_NO_JIT);
    if (rc >= 0) return true;
    if (rc == PCRE2_ERROR_NOMATCH) return false;
    std::string why = rc == PCRE2_ERROR_CALLOUT ? fmt::format("took more than {} s", kOperationSeconds)
                                                : pcre2_message(rc);
    return bad_input(fmt::format("regular expression '{}' gave up on a text of {} bytes: {}",
                                 printable(std::string_view(pattern_).substr(0, 80)), subject_.size(), why));
  }

  // The next match as Python's finditer steps: after an empty match the next one may not be empty at the same place.
  Result<bool> next() {
    uint32_t options = last_empty_ ? PCRE2_NOTEMPTY_ATSTART : 0;
    QEVAL_TRY(bool found, find(at_, options));
    if (!found) return false;
    at_ = end(0);
    last_empty_ = begin(0) == end(0);
    return true;
  }

  size_t begin(size_t group) const { return pcre2_get_ovector_pointer(data_.get())[2 * group]; }
  size_t end(size_t group) const { return pcre2_get_ovector_pointer(data_.get())[2 * group + 1]; }
  bool matched(size_t group) const { return begin(group) != PCRE2_UNSET; }
  std::string_view text(size_t group) const {
    return matched(group) ? subject_.substr(begin(group), end(group) - begin(group)) : std::string_view();
  }
  Regex::Match match(size_t n_groups) const {
    Regex::Match m{begin(0), end(0), {}};
    for (size_t g = 0; g <= n_groups; ++g)
      m.groups.push_back(matched(g) ? std::optional(std::string(text(g))) : std::nullopt);
    return m;
  }

 private:
  int run(size_t from, uint32_t options) {
    static const char kEmpty = '\0';
    auto* subject = reinterpret_cast<PCRE2_SPTR>(subject_.data() ? subject_.data() : &kEmpty);
    options |= PCRE2_NO_UTF_CHECK;
    if (!jit_) options |= PCRE2_NO_JIT;
    return pcre2_match(code_, subject, subject_.size(), from, options, data_.get(), context_.get());
  }

  const pcre2_code* code_;
  const std::string& pattern_;
  bool jit_;
  std::string_view subject_;
  std::string owned_;
  std::unique_ptr<pcre2_match_data, MatchDataFree> data_;
  std::unique_ptr<pcre2_match_context, MatchContextFree> context_;
  std::unique_ptr<pcre2_jit_stack, JitStackFree> stack_;
  Deadline deadline_;
  size_t at_ = 0;
  bool last_empty_ = false;
};

tl::unexpected<Error> not_compiled() { return fail(ErrorKind::internal, "a regular expression was used uncompiled"); }

}  // namespace

Result<Regex> Regex::compile(std::string_view pattern, Options options) {
  auto impl = std::make_shared<Impl>();
  impl->pattern = valid_utf8(pattern);
  QEVAL_TRY(impl->syntax, translate_python_regex(impl->pattern));
  const RegexSyntax& syntax = impl->syntax;
  uint32_t flags = PCRE2_UTF | PCRE2_ALT_CIRCUMFLEX;
  if (!syntax.ascii) flags |= PCRE2_UCP;
  if (options.ignore_case || syntax.ignore_case) flags |= PCRE2_CASELESS;
  if (options.dot_all || syntax.dot_all) flags |= PCRE2_DOTALL;
  if (options.multiline || syntax.multiline) flags |= PCRE2_MULTILINE;
  std::unique_ptr<pcre2_compile_context, CompileContextFree> context(pcre2_compile_context_create(nullptr));
  if (!context) return fail(ErrorKind::environment, "out of memory for a regular expression");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  std::string pcre = "(?C1)" + syntax.pcre;
  int code = 0;
  PCRE2_SIZE at = 0;
  impl->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(), flags, &code, &at, context.get()));
  if (!impl->code)
    return bad_input(fmt::format("regular expression '{}': {} (near offset {})", printable(impl->pattern),
                                 pcre2_message(code), at > 5 ? at - 5 : 0));
  // PCRE2 10.42's compiled code leaves groups set after a possessive group that failed.
  impl->jit = !syntax.has_possessive && pcre2_jit_compile(impl->code.get(), PCRE2_JIT_COMPLETE) == 0;
  Regex regex;
  regex.impl_ = std::move(impl);
  return regex;
}

Result<std::optional<Regex::Match>> Regex::search(std::string_view subject, size_t from) const {
  if (!impl_) return not_compiled();
  Scan scan(impl_->code.get(), impl_->pattern, impl_->jit, subject);
  QEVAL_TRY(bool found, scan.find(from, 0));
  if (!found) return std::optional<Match>();
  return std::optional(scan.match(impl_->n_groups()));
}

Result<std::optional<Regex::Match>> Regex::match(std::string_view subject) const {
  if (!impl_) return not_compiled();
  Scan scan(impl_->code.get(), impl_->pattern, false, subject);
  QEVAL_TRY(bool found, scan.find(0, PCRE2_ANCHORED));
  if (!found) return std::optional<Match>();
  return std::optional(scan.match(impl_->n_groups()));
}

Result<std::vector<std::vector<std::string>>> Regex::findall(std::string_view subject) const {
  if (!impl_) return not_compiled();
  Scan scan(impl_->code.get(), impl_->pattern, impl_->jit, subject);
  std::vector<std::vector<std::string>> out;
  while (true) {
    QEVAL_TRY(bool found, scan.next());
    if (!found) return out;
    std::vector<std::string>& row = out.emplace_back();
    for (size_t g = impl_->n_groups() ? 1 : 0; g <= impl_->n_groups(); ++g) row.emplace_back(scan.text(g));
  }
}

Result<std::string> Regex::sub(std::string_view replacement, std::string_view subject, int count) const {
  if (!impl_) return not_compiled();
  QEVAL_TRY(auto parts, parse_python_replacement(replacement, impl_->syntax));
  Scan scan(impl_->code.get(), impl_->pattern, impl_->jit, subject);
  std::string out;
  size_t copied = 0;
  for (int n = 0; count <= 0 || n < count; ++n) {
    QEVAL_TRY(bool found, scan.next());
    if (!found) break;
    out.append(scan.subject().substr(copied, scan.begin(0) - copied));
    for (const ReplacementPart& part : parts)
      out.append(part.group < 0 ? std::string_view(part.text) : scan.text(static_cast<size_t>(part.group)));
    copied = scan.end(0);
  }
  out.append(scan.subject().substr(copied));
  return out;
}

Result<std::vector<std::string>> Regex::split(std::string_view subject) const {
  if (!impl_) return not_compiled();
  Scan scan(impl_->code.get(), impl_->pattern, impl_->jit, subject);
  std::vector<std::string> out;
  size_t copied = 0;
  while (true) {
    QEVAL_TRY(bool found, scan.next());
    if (!found) break;
    out.emplace_back(scan.subject().substr(copied, scan.begin(0) - copied));
    for (size_t g = 1; g <= impl_->n_groups(); ++g) out.emplace_back(scan.text(g));
    copied = scan.end(0);
  }
  out.emplace_back(scan.subject().substr(copied));
  return out;
}

}  // namespace qeval
