#pragma once

#include <span>

#include "qeval/store/database.h"

namespace qeval {

// One step of the file format. Steps are only ever appended; one that a release has shipped is never edited.
struct Migration {
  int version = 0;  // 1, 2, 3 …
  const char* sql = nullptr;
};
std::span<const Migration> migrations();

// Brings the file to the newest version: an empty file gets everything, an older one the missing steps, each in its own
// transaction. Error (bad_input): not a qeval store, or written by a newer qeval. Read-only: only checks.
Status prepare_schema(Database& db, bool read_only, std::span<const Migration> steps);

}  // namespace qeval
