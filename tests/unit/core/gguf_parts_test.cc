#include "qeval/core/gguf_parts.h"

#include <gtest/gtest.h>

namespace qeval {
namespace {

using Paths = std::vector<std::string>;

TEST(GgufParts, SplitFilesAreWhole) {
  EXPECT_EQ(gguf_parts("/m/a-00001-of-00003.gguf"),
            (Paths{"/m/a-00001-of-00003.gguf", "/m/a-00002-of-00003.gguf", "/m/a-00003-of-00003.gguf"}));
  EXPECT_EQ(gguf_parts("a-00002-of-00002.gguf"), (Paths{"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"}));
}

TEST(GgufParts, OtherNamesAreAlone) {
  for (const char* name : {"a.gguf", "-00001-of-00003.gguf", "a-00001-of-00000.gguf", "a-00001-of-99999.gguf",
                           "a-0000x-of-00003.gguf", "a-00001-of-00003.bin", ""})
    EXPECT_EQ(gguf_parts(name), Paths{name});
}

}  // namespace
}  // namespace qeval
