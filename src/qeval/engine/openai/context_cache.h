#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "qeval/core/request.h"

namespace qeval {

// What the choices of one doc have in common, so that it is asked once: the tokens of their context, and the most
// likely next tokens. The least recently used goes first. Not thread-safe.
class ContextCache {
 public:
  struct Entry {
    std::vector<TokenId> tokens;
    bool has_tokens = false;
    std::vector<TokenLogprob> top;
    bool has_top = false;
  };
  explicit ContextCache(size_t capacity) : capacity_(capacity) {}

  // Stays valid until the next call.
  Entry& at(const std::string& text) {
    if (auto found = by_text_.find(text); found != by_text_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return found->second->second;
    }
    order_.emplace_front(text, Entry{});
    by_text_[text] = order_.begin();
    if (order_.size() > capacity_) {
      by_text_.erase(order_.back().first);
      order_.pop_back();
    }
    return order_.front().second;
  }

 private:
  size_t capacity_;
  std::list<std::pair<std::string, Entry>> order_;
  std::unordered_map<std::string, std::list<std::pair<std::string, Entry>>::iterator> by_text_;
};

}  // namespace qeval
