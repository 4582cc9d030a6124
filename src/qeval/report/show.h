#pragma once

#include <string>

#include "qeval/store/store.h"

namespace qeval {

// One stored sample for people: prompt, raw answers, what each filter extracted, gold, verdict, why. Everything that a
// model or a data set wrote is made printable; texts over `max_chars` bytes are shortened in the middle (0 = whole).
std::string sample_text(const SampleRecord& sample, size_t max_chars);
Json sample_json(const SampleRecord& sample);

}  // namespace qeval
