#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/world.h"

// State: {"today", "me": email, "contacts": {email: name}, "events": {id: {title, date, start, end, organizer,
// attendees}}, "mails": {id: {from, to, subject, body, date, folder, read}}, "next": number of the next id}.
namespace qeval::agent {
namespace {

constexpr const char* kFirst = "08:00";
constexpr const char* kLast = "18:00";

Json summary_of(const std::string& id, const Json& event) {
  return {{"event_id", id}, {"title", event["title"]}, {"date", event["date"]}, {"start", event["start"]}, {"end", event["end"]}};
}
Json header_of(const std::string& id, const Json& mail) {
  return {{"mail_id", id}, {"from", mail["from"]}, {"subject", mail["subject"]}, {"date", mail["date"]}, {"read", mail["read"]}};
}

ToolResult no_event(const std::string& id) { return refuse("not_found", fmt::format("there is no event {}", quote(id))); }
ToolResult no_mail(const std::string& id) { return refuse("not_found", fmt::format("there is no mail {}", quote(id))); }

std::string next_id(Json& state, const char* letter) {
  int64_t n = state["next"].get<int64_t>();
  state["next"] = n + 1;
  return fmt::format("{}{}", letter, n);
}

int minutes(const std::string& time) { return std::stoi(time.substr(0, 2)) * 60 + std::stoi(time.substr(3, 2)); }
std::string clock_text(int minute) { return fmt::format("{:02}:{:02}", minute / 60, minute % 60); }

// Events of a day in order of their start.
std::vector<std::string> events_of(const Json& state, const std::string& date) {
  std::vector<std::string> ids;
  for (const auto& [id, event] : state["events"].items())
    if (event["date"] == date) ids.push_back(id);
  std::sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
    return std::make_pair(state["events"][a]["start"].get<std::string>(), a) < std::make_pair(state["events"][b]["start"].get<std::string>(), b);
  });
  return ids;
}

// Date and times are well formed, within a day, and free but for the event `except`.
std::optional<ToolError> no_slot(const Json& state, const Json& args, const std::string& except) {
  std::string date = text_of(args, "date"), start = text_of(args, "start"), end = text_of(args, "end");
  if (!is_date(date)) return ToolError{"invalid_value", fmt::format("date: YYYY-MM-DD was expected, not {}", quote(date))};
  if (!is_time(start)) return ToolError{"invalid_value", fmt::format("start: HH:MM was expected, not {}", quote(start))};
  if (!is_time(end)) return ToolError{"invalid_value", fmt::format("end: HH:MM was expected, not {}", quote(end))};
  if (end <= start) return ToolError{"invalid_value", "end: must be later than start"};
  for (const std::string& id : events_of(state, date)) {
    const Json& event = state["events"][id];
    if (id != except && start < event["end"].get<std::string>() && event["start"].get<std::string>() < end)
      return ToolError{"conflict", fmt::format("overlaps with {} ({}), {} to {}", id, event["title"].get<std::string>(),
                                               event["start"].get<std::string>(), event["end"].get<std::string>())};
  }
  return std::nullopt;
}

std::optional<ToolError> bad_addresses(const Json& list, const char* name) {
  if (list.empty()) return ToolError{"invalid_value", fmt::format("{}: must not be empty", name)};
  for (const Json& one : list) {
    std::string address = one.get<std::string>();
    size_t at = address.find('@');
    if (at == 0 || at == std::string::npos || at + 1 == address.size() || address.find(' ') != std::string::npos)
      return ToolError{"invalid_value", fmt::format("{}: {} is not a mail address", name, quote(address))};
  }
  return std::nullopt;
}

Json sorted_list(const Json& list) {
  std::vector<std::string> all = list.get<std::vector<std::string>>();
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

ToolResult list_events(Json& state, const Json& args) {
  std::string date = text_of(args, "date");
  if (!is_date(date)) return refuse("invalid_value", fmt::format("date: YYYY-MM-DD was expected, not {}", quote(date)));
  Json out = Json::array();
  for (const std::string& id : events_of(state, date)) out.push_back(summary_of(id, state["events"][id]));
  return Json{{"date", date}, {"events", out}};
}

ToolResult get_event(Json& state, const Json& args) {
  std::string id = text_of(args, "event_id");
  if (!has(state["events"], id)) return no_event(id);
  Json out = {{"event_id", id}};
  out.update(state["events"][id]);
  return out;
}

ToolResult find_events(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [id, event] : state["events"].items())
    if (contains_ignoring_case(event["title"].get<std::string>(), text_of(args, "title_contains"))) out.push_back(summary_of(id, event));
  return Json{{"events", out}};
}

ToolResult find_free_time(Json& state, const Json& args) {
  std::string date = text_of(args, "date");
  int64_t wanted = args["minutes"].get<int64_t>();
  if (!is_date(date)) return refuse("invalid_value", fmt::format("date: YYYY-MM-DD was expected, not {}", quote(date)));
  if (wanted < 5 || wanted > 600) return refuse("invalid_value", "minutes: 5 to 600 was expected");
  Json out = Json::array();
  int from = minutes(kFirst);
  auto gap_until = [&](int until) {
    if (until - from >= wanted) out.push_back({{"start", clock_text(from)}, {"end", clock_text(until)}});
  };
  for (const std::string& id : events_of(state, date)) {
    const Json& event = state["events"][id];
    gap_until(std::min(minutes(event["start"].get<std::string>()), minutes(kLast)));
    from = std::max(from, minutes(event["end"].get<std::string>()));
  }
  gap_until(minutes(kLast));
  return Json{{"date", date}, {"free", out}};
}

ToolResult create_event(Json& state, const Json& args) {
  if (text_of(args, "title").empty()) return refuse("invalid_value", "title: must not be empty");
  if (auto error = no_slot(state, args, "")) return refuse(error->code, error->message);
  Json attendees = has(args, "attendees") ? args["attendees"] : Json::array();
  if (!attendees.empty())
    if (auto error = bad_addresses(attendees, "attendees")) return refuse(error->code, error->message);
  std::string id = next_id(state, "E");
  state["events"][id] = {{"title", args["title"]}, {"date", args["date"]}, {"start", args["start"]}, {"end", args["end"]},
                         {"organizer", state["me"]}, {"attendees", sorted_list(attendees)}};
  return Json{{"event_id", id}, {"done", "created"}};
}

ToolResult move_event(Json& state, const Json& args) {
  std::string id = text_of(args, "event_id");
  if (!has(state["events"], id)) return no_event(id);
  if (auto error = no_slot(state, args, id)) return refuse(error->code, error->message);
  for (const char* key : {"date", "start", "end"}) state["events"][id][key] = args[key];
  return Json{{"event_id", id}, {"done", "moved"}};
}

ToolResult add_attendee(Json& state, const Json& args) {
  std::string id = text_of(args, "event_id");
  if (!has(state["events"], id)) return no_event(id);
  Json list = state["events"][id]["attendees"];
  if (auto error = bad_addresses(Json::array({args["email"]}), "email")) return refuse(error->code, error->message);
  if (std::find(list.begin(), list.end(), args["email"]) != list.end())
    return refuse("conflict", fmt::format("{} is invited already", quote(text_of(args, "email"))));
  list.push_back(args["email"]);
  state["events"][id]["attendees"] = sorted_list(list);
  return Json{{"event_id", id}, {"attendees", state["events"][id]["attendees"]}};
}

ToolResult cancel_event(Json& state, const Json& args) {
  std::string id = text_of(args, "event_id");
  if (!has(state["events"], id)) return no_event(id);
  state["events"].erase(id);
  return Json{{"event_id", id}, {"done", "cancelled"}};
}

ToolResult list_mails(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [id, mail] : state["mails"].items())
    if (mail["folder"] == args["folder"]) out.push_back(header_of(id, mail));
  return Json{{"folder", args["folder"]}, {"mails", out}};
}

ToolResult search_mails(Json& state, const Json& args) {
  std::string part = text_of(args, "text");
  if (part.empty()) return refuse("invalid_value", "text: must not be empty");
  Json out = Json::array();
  for (const auto& [id, mail] : state["mails"].items())
    for (const char* key : {"from", "subject", "body"})
      if (contains_ignoring_case(mail[key].get<std::string>(), part)) {
        out.push_back(header_of(id, mail));
        break;
      }
  return Json{{"mails", out}};
}

// Reading leaves the mark as it is, so that looking around changes nothing.
ToolResult read_mail(Json& state, const Json& args) {
  std::string id = text_of(args, "mail_id");
  if (!has(state["mails"], id)) return no_mail(id);
  Json out = {{"mail_id", id}};
  out.update(state["mails"][id]);
  return out;
}

ToolResult put_sent(Json& state, Json to, const std::string& subject, const std::string& body) {
  if (body.empty()) return refuse("invalid_value", "body: must not be empty");
  std::string id = next_id(state, "M");
  state["mails"][id] = {{"from", state["me"]}, {"to", sorted_list(to)}, {"subject", subject}, {"body", body},
                        {"date", state["today"]}, {"folder", "sent"}, {"read", true}};
  return Json{{"mail_id", id}, {"done", "sent"}};
}

ToolResult send_mail(Json& state, const Json& args) {
  if (auto error = bad_addresses(args["to"], "to")) return refuse(error->code, error->message);
  return put_sent(state, args["to"], text_of(args, "subject"), text_of(args, "body"));
}

ToolResult reply_mail(Json& state, const Json& args) {
  std::string id = text_of(args, "mail_id");
  if (!has(state["mails"], id)) return no_mail(id);
  const Json mail = state["mails"][id];
  return put_sent(state, Json::array({mail["from"]}), "Re: " + mail["subject"].get<std::string>(), text_of(args, "body"));
}

ToolResult archive_mail(Json& state, const Json& args) {
  std::string id = text_of(args, "mail_id");
  if (!has(state["mails"], id)) return no_mail(id);
  state["mails"][id]["folder"] = "archive";
  return Json{{"mail_id", id}, {"done", "archived"}};
}

ToolResult find_contact(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [email, name] : state["contacts"].items())
    if (contains_ignoring_case(name.get<std::string>(), text_of(args, "name"))) out.push_back({{"name", name}, {"email", email}});
  return Json{{"contacts", out}};
}

}  // namespace

World office_world() {
  Param date{"date", "string", "Day as YYYY-MM-DD"};
  Param start{"start", "string", "Time as HH:MM, 24 hours"};
  Param end{"end", "string", "Time as HH:MM, 24 hours"};
  Param event{"event_id", "string", "Id of the event, such as E3"};
  Param mail{"mail_id", "string", "Id of the mail, such as M7"};
  World world;
  world.name = "office";
  world.title = "Calendar and mail";
  world.policy =
      "You are the office assistant of one user and act in their calendar and mailbox.\n"
      "- Events lie between 08:00 and 18:00; nothing is booked outside of that, whoever asks.\n"
      "- Events whose organizer is somebody else are never cancelled or moved: say so instead.\n"
      "- Mail goes only to addresses ending in @firm.example; anything else is refused, and you say so.\n"
      "- Look up addresses, ids and times with the tools; never guess them.";
  world.tools = {
      {"list_events", "Events of one day", parameters({date}), false, list_events},
      {"get_event", "Everything about one event", parameters({event}), false, get_event},
      {"find_events", "Events by a part of their title", parameters({{"title_contains", "string", "Part of the title, case ignored"}}), false, find_events},
      {"find_free_time", "Gaps of a day between 08:00 and 18:00", parameters({date, {"minutes", "integer", "Shortest gap of interest"}}), false, find_free_time},
      {"create_event", "Book an event; refuses overlaps",
       parameters({{"title", "string", "Title"}, date, start, end, {"attendees", "strings", "Mail addresses to invite", false}}), true, create_event},
      {"move_event", "Give an event another day or time; refuses overlaps", parameters({event, date, start, end}), true, move_event},
      {"add_attendee", "Invite one more person", parameters({event, {"email", "string", "Mail address"}}), true, add_attendee},
      {"cancel_event", "Delete an event", parameters({event}), true, cancel_event},
      {"list_mails", "Mails of a folder", parameters({{"folder", "string", "Folder", true, {"inbox", "archive", "sent"}}}), false, list_mails},
      {"search_mails", "Mails that contain a text", parameters({{"text", "string", "Text in sender, subject or body, case ignored"}}), false, search_mails},
      {"read_mail", "A mail with its text", parameters({mail}), false, read_mail},
      {"send_mail", "Send a mail",
       parameters({{"to", "strings", "Mail addresses"}, {"subject", "string", "Subject"}, {"body", "string", "Text"}}), true, send_mail},
      {"reply_mail", "Answer a mail's sender", parameters({mail, {"body", "string", "Text"}}), true, reply_mail},
      {"archive_mail", "Move a mail to the archive", parameters({mail}), true, archive_mail},
      {"find_contact", "Mail addresses by a part of a person's name", parameters({{"name", "string", "Part of the name"}}), false, find_contact},
  };
  return world;
}

}  // namespace qeval::agent
