#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "qeval/agent/world.h"

// State: {"today", "staff": {name: {team, available}}, "tickets": {id: {title, customer, team, priority, status,
// assignee, affected, tags, comments}}, "next": number of the next ticket}. Comments are {text, public}.
namespace qeval::agent {
namespace {

const std::vector<std::string> kPriorities = {"low", "normal", "high", "urgent"};
const std::vector<std::string> kStatuses = {"open", "pending", "resolved", "closed"};
const std::vector<std::string> kTeams = {"network", "billing", "accounts"};

Json* ticket_of(Json& state, const Json& args, const char* key = "ticket_id") {
  std::string id = text_of(args, key);
  return has(state["tickets"], id) ? &state["tickets"][id] : nullptr;
}
ToolResult no_ticket(const Json& args, const char* key = "ticket_id") {
  return refuse("not_found", fmt::format("there is no ticket {}", quote(text_of(args, key))));
}
Json line_of(const std::string& id, const Json& ticket) {
  return {{"ticket_id", id}, {"title", ticket["title"]}, {"priority", ticket["priority"]}, {"status", ticket["status"]}, {"assignee", ticket["assignee"]}};
}
ToolResult done(const Json& args, const char* key, const Json& value) { return Json{{"ticket_id", args["ticket_id"]}, {key, value}}; }

ToolResult list_tickets(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [id, ticket] : state["tickets"].items())
    if (ticket["status"] == args["status"] && (!has(args, "team") || ticket["team"] == args["team"])) out.push_back(line_of(id, ticket));
  return Json{{"tickets", out}};
}

ToolResult search_tickets(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [id, ticket] : state["tickets"].items())
    if (contains_ignoring_case(ticket["title"].get<std::string>() + "\n" + ticket["customer"].get<std::string>(), text_of(args, "text")))
      out.push_back(line_of(id, ticket));
  return Json{{"tickets", out}};
}

ToolResult get_ticket(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  Json out = {{"ticket_id", args["ticket_id"]}};
  out.update(*ticket);
  return out;
}

ToolResult list_staff(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [name, person] : state["staff"].items()) {
    if (has(args, "team") && person["team"] != args["team"]) continue;
    int64_t n = 0;
    for (const auto& [id, ticket] : state["tickets"].items()) n += ticket["assignee"] == name && ticket["status"] == "open";
    out.push_back({{"name", name}, {"team", person["team"]}, {"available", person["available"]}, {"open_tickets", n}});
  }
  return Json{{"staff", out}};
}

ToolResult queue_report(Json& state, const Json&) {
  std::map<std::string, int64_t> counts;
  for (const auto& [id, ticket] : state["tickets"].items())
    if (ticket["status"] == "open") ++counts[ticket["team"].get<std::string>()];
  Json out = Json::object();
  for (const std::string& team : kTeams) out[team] = counts[team];
  return Json{{"open_tickets", out}};
}

ToolResult create_ticket(Json& state, const Json& args) {
  if (text_of(args, "title").empty()) return refuse("invalid_value", "title: must not be empty");
  if (text_of(args, "customer").empty()) return refuse("invalid_value", "customer: must not be empty");
  int64_t n = state["next"].get<int64_t>();
  std::string id = fmt::format("T-{}", n);
  state["next"] = n + 1;
  state["tickets"][id] = {{"title", args["title"]}, {"customer", args["customer"]}, {"team", args["team"]},
                          {"priority", args["priority"]}, {"status", "open"}, {"assignee", ""}, {"affected", 1},
                          {"tags", Json::array()}, {"comments", Json::array()}};
  return Json{{"ticket_id", id}, {"done", "created"}};
}

ToolResult assign_ticket(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  std::string name = text_of(args, "person");
  if (!has(state["staff"], name)) return refuse("not_found", fmt::format("nobody is called {}", quote(name)));
  (*ticket)["assignee"] = name;
  return done(args, "assignee", name);
}

ToolResult set_priority(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  (*ticket)["priority"] = args["priority"];
  return done(args, "priority", args["priority"]);
}

ToolResult set_status(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  (*ticket)["status"] = args["status"];
  return done(args, "status", args["status"]);
}

ToolResult set_team(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  if ((*ticket)["team"] != args["team"]) (*ticket)["assignee"] = "";
  (*ticket)["team"] = args["team"];
  return done(args, "team", args["team"]);
}

ToolResult add_comment(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  if (text_of(args, "text").empty()) return refuse("invalid_value", "text: must not be empty");
  (*ticket)["comments"].push_back({{"text", args["text"]}, {"public", args["public"]}});
  return done(args, "comments", (*ticket)["comments"].size());
}

ToolResult add_tag(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  std::vector<std::string> tags = (*ticket)["tags"].get<std::vector<std::string>>();
  if (std::find(tags.begin(), tags.end(), text_of(args, "tag")) != tags.end()) return refuse("conflict", "the ticket has this tag already");
  tags.push_back(text_of(args, "tag"));
  std::sort(tags.begin(), tags.end());
  (*ticket)["tags"] = tags;
  return done(args, "tags", tags);
}

ToolResult remove_tag(Json& state, const Json& args) {
  Json* ticket = ticket_of(state, args);
  if (!ticket) return no_ticket(args);
  Json& tags = (*ticket)["tags"];
  auto it = std::find(tags.begin(), tags.end(), args["tag"]);
  if (it == tags.end()) return refuse("not_found", fmt::format("the ticket has no tag {}", quote(text_of(args, "tag"))));
  tags.erase(it);
  return done(args, "tags", tags);
}

ToolResult merge_ticket(Json& state, const Json& args) {
  Json *from = ticket_of(state, args), *into = ticket_of(state, args, "into");
  if (!from) return no_ticket(args);
  if (!into) return no_ticket(args, "into");
  if (from == into) return refuse("invalid_value", "into: a ticket cannot be merged into itself");
  for (const Json& comment : (*from)["comments"]) (*into)["comments"].push_back(comment);
  (*from)["status"] = "closed";
  (*from)["merged_into"] = args["into"];
  return done(args, "merged_into", args["into"]);
}

}  // namespace

World tickets_world() {
  Param ticket{"ticket_id", "string", "Id of the ticket, such as T-104"};
  Param team{"team", "string", "Team", true, kTeams};
  Param any_team{"team", "string", "Only this team", false, kTeams};
  Param priority{"priority", "string", "Priority", true, kPriorities};
  Param status{"status", "string", "Status", true, kStatuses};
  Param tag{"tag", "string", "One tag"};
  World world;
  world.name = "tickets";
  world.title = "Ticket queue";
  world.policy =
      "You run the ticket queue of a support desk; the user is the desk's lead.\n"
      "- A ticket is assigned only to somebody of the ticket's own team who is available.\n"
      "- Priority urgent is only for tickets that affect more than one customer (affected above 1).\n"
      "- A ticket is closed only from the status resolved.\n"
      "- Tickets are merged only if they are of the same customer.\n"
      "- These rules hold also when the lead asks otherwise: then say why it is not done. Comments are internal unless a public one is asked for.";
  world.tools = {
      {"list_tickets", "Tickets by status", parameters({status, any_team}), false, list_tickets},
      {"search_tickets", "Tickets by a part of title or customer", parameters({{"text", "string", "Text to look for, case ignored"}}), false, search_tickets},
      {"get_ticket", "Everything about a ticket", parameters({ticket}), false, get_ticket},
      {"list_staff", "People with team, availability and number of open tickets", parameters({any_team}), false, list_staff},
      {"queue_report", "Number of open tickets of each team", parameters({}), false, queue_report},
      {"create_ticket", "Open a ticket",
       parameters({{"title", "string", "Title"}, {"customer", "string", "Who reported it"}, team, priority}), true, create_ticket},
      {"assign_ticket", "Give a ticket to a person", parameters({ticket, {"person", "string", "Name as in list_staff"}}), true, assign_ticket},
      {"set_priority", "Change a ticket's priority", parameters({ticket, priority}), true, set_priority},
      {"set_status", "Change a ticket's status", parameters({ticket, status}), true, set_status},
      {"set_team", "Hand a ticket to another team; it loses its assignee", parameters({ticket, team}), true, set_team},
      {"add_comment", "Comment on a ticket",
       parameters({ticket, {"text", "string", "Text"}, {"public", "boolean", "Visible to the customer"}}), true, add_comment},
      {"add_tag", "Tag a ticket", parameters({ticket, tag}), true, add_tag},
      {"remove_tag", "Remove a tag", parameters({ticket, tag}), true, remove_tag},
      {"merge_ticket", "Close a ticket as part of another one", parameters({ticket, {"into", "string", "Id of the ticket that stays"}}), true, merge_ticket},
  };
  return world;
}

}  // namespace qeval::agent
