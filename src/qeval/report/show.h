#pragma once

#include <optional>
#include <string>

#include "qeval/store/store.h"

namespace qeval {

// One stored sample for people: prompt, raw answer, what each filter extracted, gold, verdict. Hostile text is made
// printable; texts longer than `max_chars` are shortened in the middle (0 = whole).
std::string sample_text(const SampleRecord& sample, size_t max_chars);
Json sample_json(const SampleRecord& sample);

}  // namespace qeval
