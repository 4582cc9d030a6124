#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// How the code of an answer is cut out of it; each is a task's protocol, not a guess. All are linear in the answer.
enum class CodeExtract {
  raw,          // the whole answer (humaneval, mbpp)
  fence_cut,    // up to the first ``` (humaneval_instruct, whose prefix opens the fence)
  first_fence,  // the first block, where the prefix has opened the fence; "" where it is never closed (mbpp_instruct)
};
// Error (bad_input) lists the names: "raw", "fence_cut", "first_fence".
Result<CodeExtract> code_extract_from(std::string_view name);

// first_fence drops an information string only where a line end follows it: an answer that begins with its first
// statement right after the opened fence keeps that statement's first word (lm-eval's pattern eats it).
std::string extract_code(CodeExtract how, std::string_view answer);

// For diagnosis, never for a score: programs that may hide in an answer because fences or chat text surround them.
// Closed and unclosed blocks (longest first), then what is left without lines before the first and after the last line
// of code. At most `limit`, none empty or equal to the answer.
std::vector<std::string> hidden_programs(std::string_view answer, size_t limit = 3);

}  // namespace qeval
