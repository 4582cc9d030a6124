#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// How a file of documents is read; as the `datasets` library's json and csv loaders.
struct RowOptions {
  std::string field;                      // json: the key that holds the list of documents, "" = the file is the list
  char delimiter = ',';                   // csv
  bool has_header = true;                 // csv: the first line names the columns
  std::vector<std::string> column_names;  // csv: names, where given they replace the header
  bool infer_types = true;                // csv: numbers, booleans and missing values as pandas infers them
};

// The documents of `text`. The format is taken from the ending of `file`: .csv, .tsv, .jsonl, .json (a list, an object
// with `field`, or JSON lines), a trailing .gz ignored. Error (bad_input): "file:line: …" with the faulty text.
// Parquet: an error with the command that converts it.
Result<std::vector<Json>> parse_rows(std::string_view text, const std::string& file, const RowOptions& options);

Result<std::vector<Json>> parse_jsonl(std::string_view text, const std::string& file);
Result<std::vector<Json>> parse_csv(std::string_view text, const std::string& file, const RowOptions& options);

// Every row gets every column, in order of first appearance, missing ones null: as a typed table would have them.
void unify_columns(std::vector<Json>& rows);

Error parquet_error(const std::string& file);

}  // namespace qeval
