#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace qeval {

// Server-sent events (WHATWG HTML, section 9.2) cut into their data, however the bytes arrive. Only the fields that
// inference servers use: `data`, and `error`, which llama-server sends in data's place. Bounded memory: an event longer
// than `max_event_bytes` makes the stream broken. Not thread-safe.
class SseParser {
 public:
  // Returns false to stop reading.
  using OnData = std::function<bool(std::string_view data)>;

  explicit SseParser(size_t max_event_bytes = size_t{4} << 20) : max_event_bytes_(max_event_bytes) {}

  // False: stopped by the callback, or broken().
  bool feed(std::string_view bytes, const OnData& on_data);
  bool broken() const { return broken_; }
  // Bytes of an event that has not ended: after the last feed, a half event.
  bool incomplete() const { return !line_.empty() || has_data_; }
  // Something other than fields, comments and empty lines came: not an event stream.
  bool saw_foreign_line() const { return foreign_; }

 private:
  bool end_line(std::string_view line, const OnData& on_data);

  size_t max_event_bytes_;
  std::string line_;  // an unfinished line
  std::string data_;  // data of the event so far
  bool has_data_ = false, after_return_ = false, broken_ = false, foreign_ = false;
};

}  // namespace qeval
