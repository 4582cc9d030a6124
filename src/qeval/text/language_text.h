#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

// Internal to text/: what langdetect does to a text before it counts n-grams.
namespace qeval {

// The first 10,000 characters without addresses of pages and mail, Vietnamese letters composed, runs of spaces as one;
// Latin letters dropped where twice as many others stand in it. Linear.
std::vector<uint32_t> text_for_language(std::string_view text);

// Punctuation as a space, letters that one language writes in two ways as one, syllables of a script as one.
uint32_t language_character(uint32_t c, const std::unordered_map<uint32_t, uint32_t>& ideographs);

// "NGram.KANJI_…=\u4F7C\u6934" lines of messages.properties: each character → the first of its line.
std::unordered_map<uint32_t, uint32_t> ideograph_groups(std::string_view messages);

}  // namespace qeval
