#include "qeval/engine/openai/sse_parser.h"

namespace qeval {

bool SseParser::feed(std::string_view bytes, const OnData& on_data) {
  if (broken_) return false;
  while (!bytes.empty()) {
    if (after_return_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_return_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    if (end == std::string_view::npos) {
      line_.append(bytes);
      broken_ = line_.size() + data_.size() > max_event_bytes_;
      return !broken_;
    }
    after_return_ = bytes[end] == '\r';
    bool go_on = false;
    if (line_.empty()) {
      go_on = end_line(bytes.substr(0, end), on_data);
    } else {
      line_.append(bytes.substr(0, end));
      const std::string whole = std::move(line_);
      line_.clear();
      go_on = end_line(whole, on_data);
    }
    if (!go_on) return false;
    bytes.remove_prefix(end + 1);
  }
  return true;
}

bool SseParser::end_line(std::string_view line, const OnData& on_data) {
  if (line.empty()) {
    if (!has_data_) return true;
    has_data_ = false;
    const std::string data = std::move(data_);
    data_.clear();
    return on_data(data);
  }
  if (line.size() + data_.size() > max_event_bytes_) {
    broken_ = true;
    return false;
  }
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (name == "data" || name == "error") {
    if (has_data_) data_ += '\n';
    data_.append(value);
    has_data_ = true;
  } else if (!name.empty() && name != "event" && name != "id" && name != "retry") {
    foreign_ = true;
  }
  return true;
}

}  // namespace qeval
