#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace qeval {

// Why an operation failed; decides the exit code of the command line.
enum class ErrorKind {
  usage,        // the command line itself: exit 2
  bad_input,    // a file, key or value that a user wrote: exit 3
  environment,  // engine, sandbox, disk or network could not start or was lost: exit 4
  not_found,    // absent, where absence is an answer that the caller may handle
  unavailable,  // may pass when tried again (network, busy)
  interrupted,  // the user asked to stop: exit 130
  internal,     // a defect of qeval: exit 4
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;  // one or more lines: what is wrong, where (file:line, key, value), what to do

  // The same error, with the place put in front: "context: message".
  Error in(const std::string& context) const { return {kind, context + ": " + message}; }
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> bad_input(std::string message) { return fail(ErrorKind::bad_input, std::move(message)); }

}  // namespace qeval

#define QEVAL_CONCAT_(a, b) a##b
#define QEVAL_CONCAT(a, b) QEVAL_CONCAT_(a, b)
// QEVAL_TRY(auto x, f()): x is the value, or the caller returns the error.
#define QEVAL_TRY(declaration, expression) QEVAL_TRY_(QEVAL_CONCAT(qeval_try_, __LINE__), declaration, expression)
#define QEVAL_TRY_(temporary, declaration, expression)                     \
  auto temporary = (expression);                                           \
  if (!temporary) return ::tl::unexpected(std::move(temporary).error());   \
  declaration = std::move(*temporary)
// QEVAL_CHECK(f()): for operations without a value.
#define QEVAL_CHECK(expression)                                                                       \
  do {                                                                                                \
    if (auto qeval_check_ = (expression); !qeval_check_)                                              \
      return ::tl::unexpected(std::move(qeval_check_).error());                                       \
  } while (false)
