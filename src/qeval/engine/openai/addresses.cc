#include "qeval/engine/openai/addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/net/http_client.h"

namespace qeval {
namespace {

std::chrono::microseconds microseconds_of(double seconds) { return std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)); }

}  // namespace

Addresses::Addresses(std::vector<std::string> base_urls) {
  for (std::string& url : base_urls) all_.push_back({std::move(url)});
}

bool Addresses::usable(const Address& address, SteadyClock::time_point now) const {
  return now >= address.next_try && (!address.down() || address.n_in_flight == 0);
}

std::optional<size_t> Addresses::pick(uint64_t conversation, SteadyClock::time_point now) const {
  if (conversation != 0)
    if (size_t own = conversation % all_.size(); usable(all_[own], now)) return own;
  std::optional<size_t> best;
  for (size_t i = 0; i < all_.size(); ++i) {
    if (!usable(all_[i], now)) continue;
    auto load = [&](size_t k) { return std::pair(all_[k].down(), all_[k].n_in_flight); };
    // One that is down is tried first: with a single request, which goes elsewhere if it fails.
    if (!best || all_[i].down() || (!all_[*best].down() && load(i) < load(*best))) best = i;
  }
  return best;
}

void Addresses::on_answer(size_t i) { all_[i].n_failures = 0; }

void Addresses::on_not_reached(size_t i, SteadyClock::time_point now, double jitter) {
  Address& address = all_[i];
  if (address.n_failures++ == 0) address.down_since = now;
  const double wait_s = std::min(5.0, 0.2 * std::pow(2.0, std::min(address.n_failures, 8))) * jitter;
  address.next_try = std::max(address.next_try, now + microseconds_of(wait_s));
}

void Addresses::pause(size_t i, SteadyClock::time_point until) { all_[i].next_try = std::max(all_[i].next_try, until); }

std::optional<SteadyClock::time_point> Addresses::all_down_since() const {
  std::optional<SteadyClock::time_point> since;
  for (const Address& address : all_) {
    if (!address.down()) return std::nullopt;
    since = since ? std::max(*since, address.down_since) : address.down_since;
  }
  return since;
}

std::string Addresses::summary() const {
  std::string out;
  for (const Address& address : all_)
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", redacted_url(address.url), address.down() ? " (not reached)" : "");
  return out;
}

Result<std::string> normal_base_url(const std::string& url) {
  std::string out = url;
  while (out.ends_with('/')) out.pop_back();
  if (out.ends_with("/v1")) out.resize(out.size() - 3);
  while (out.ends_with('/')) out.pop_back();
  const size_t host = out.find("://");
  if (!(out.starts_with("http://") || out.starts_with("https://")) || host + 3 >= out.size() || out.find_first_of(" \t\r\n") != std::string::npos)
    return fail(ErrorKind::usage, fmt::format("--base-url {}: an address such as http://127.0.0.1:8000 was expected", redacted_url(url)));
  return out;
}

}  // namespace qeval
