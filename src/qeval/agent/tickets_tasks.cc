#include <fmt/format.h>

#include "qeval/agent/scenario.h"

namespace qeval::agent {
namespace {

const std::vector<std::string> kCustomers = {"Arbor Ltd", "Blue Mill", "Cedar Bank", "Delta Print", "Elm Clinic", "Fjord Foods", "Gale Music"};

struct Desk {
  std::vector<std::string> staff;      // network: 0 busy, 1 free, 2 absent; billing: 3, 4; accounts: 5
  std::vector<std::string> customers;  // four different ones
  int first = 0;                       // number of the first ticket
  std::string id(int i) const { return fmt::format("T-{}", first + i); }
};

Json ticket(const std::string& title, const std::string& customer, const std::string& team, const std::string& status,
            const std::string& assignee = "", int affected = 1) {
  return {{"title", title}, {"customer", customer}, {"team", team}, {"priority", "normal"}, {"status", status}, {"assignee", assignee},
          {"affected", affected}, {"tags", Json::array()}, {"comments", Json::array()}};
}

// Ten tickets 0 to 9: 0 new in network; 1, 2 open with the busy one; 3, 4 billing of one customer, open and about the
// same; 5, 6 billing, resolved; 7 accounts, pending; 8 network, affects many; 9 billing, open.
Desk desk(PyRandom& random, Scenario& s) {
  Desk d{pick(random, first_names(), 6), pick(random, kCustomers, 4), between(random, 101, 800)};
  Json staff = Json::object();
  const char* teams[] = {"network", "network", "network", "billing", "billing", "accounts"};
  for (size_t i = 0; i < 6; ++i) staff[d.staff[i]] = {{"team", teams[i]}, {"available", i != 2}};
  Json t = Json::object();
  std::string month = random.choice(std::vector<std::string>{"March", "April", "May"});
  t[d.id(0)] = ticket("Wireless drops in the meeting room", d.customers[0], "network", "open");
  t[d.id(1)] = ticket("Slow link to the branch", d.customers[1], "network", "open", d.staff[0]);
  t[d.id(2)] = ticket("Cannot reach the printer", d.customers[2], "network", "open", d.staff[0]);
  t[d.id(3)] = ticket(fmt::format("Invoice of {} charged twice", month), d.customers[3], "billing", "open");
  t[d.id(4)] = ticket(fmt::format("Two charges on the {} invoice", month), d.customers[3], "billing", "open");
  t[d.id(5)] = ticket("Refund not on the account", d.customers[1], "billing", "resolved", d.staff[3]);
  t[d.id(6)] = ticket("Wrong address on the invoice", d.customers[2], "billing", "resolved", d.staff[4]);
  t[d.id(7)] = ticket("Reset of a password", d.customers[0], "accounts", "pending", d.staff[5]);
  t[d.id(8)] = ticket("Mail server not reachable", d.customers[1], "network", "open", d.staff[1], between(random, 12, 90));
  t[d.id(9)] = ticket("Question about a discount", d.customers[2], "billing", "open", d.staff[4]);
  t[d.id(4)]["comments"].push_back({{"text", fmt::format("Sum of {} euros", between(random, 20, 300))}, {"public", false}});
  s.state = {{"today", "2026-06-08"}, {"staff", staff}, {"tickets", t}, {"next", d.first + 10}};
  return d;
}

Json on(const std::string& id) { return {{"ticket_id", id}}; }
Json field(const std::string& id, const std::string& key, const Json& value) { return put({"tickets", id, key}, value); }

void assign_to_free(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  s.user(fmt::format("Assign ticket {} to whoever in its team is available and has the fewest open tickets.", d.id(0)));
  s.accept({field(d.id(0), "assignee", d.staff[1])});
  s.call("get_ticket", on(d.id(0)));
  s.call("list_staff", {{"team", "network"}});
  s.call("assign_ticket", {{"ticket_id", d.id(0)}, {"person", d.staff[1]}});
  s.say(fmt::format("{} has it now.", capitalised(d.staff[1])));
}

void open_new(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  std::string title = random.choice(std::vector<std::string>{"Scanner sends empty pages", "Login page shows an error", "Phone has no dial tone"});
  std::string team = random.choice(std::vector<std::string>{"network", "accounts"}), priority = random.choice(std::vector<std::string>{"low", "high"});
  s.user(fmt::format("Open a ticket for {} with the title \"{}\", team {}, priority {}. Tell me its number.", d.customers[2], title, team, priority));
  Json made = ticket(title, d.customers[2], team, "open");
  made["priority"] = priority;
  s.accept({put({"tickets", d.id(10)}, made), put({"next"}, d.first + 11)});
  s.require({d.id(10)});
  s.call("create_ticket", {{"title", title}, {"customer", d.customers[2]}, {"team", team}, {"priority", priority}});
  s.say(fmt::format("It is {}.", d.id(10)));
}

void raise_and_comment(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  std::string text = fmt::format("We look at it before {}:00 today.", between(random, 12, 17));
  s.user(fmt::format("Set ticket {} to high.", d.id(1)));
  s.user(fmt::format("Now add a public comment to it with exactly this text: {}", text));
  s.accept({field(d.id(1), "priority", "high"), field(d.id(1), "comments", Json::array({{{"text", text}, {"public", true}}}))});
  s.call("set_priority", {{"ticket_id", d.id(1)}, {"priority", "high"}});
  s.say("It is high now.");
  s.call("add_comment", {{"ticket_id", d.id(1)}, {"text", text}, {"public", true}});
  s.say("The comment is there.");
}

void close_resolved(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  s.user("Close every billing ticket that is resolved.");
  s.accept({field(d.id(5), "status", "closed"), field(d.id(6), "status", "closed")});
  s.call("list_tickets", {{"status", "resolved"}, {"team", "billing"}});
  s.calls(Json::array({{{"name", "set_status"}, {"arguments", {{"ticket_id", d.id(5)}, {"status", "closed"}}}}, {{"name", "set_status"}, {"arguments", {{"ticket_id", d.id(6)}, {"status", "closed"}}}}}));
  s.say("Both resolved billing tickets are closed.");
}

void count_open(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  int extra = between(random, 1, 4);
  for (int i = 0; i < extra; ++i) s.state["tickets"][fmt::format("T-{}", d.first + 20 + i)] = ticket("Router restarts", d.customers[0], "network", "open");
  s.user("How many open tickets has the network team? Answer in digits.");
  s.user(fmt::format("Add the tag wireless to ticket {}.", d.id(0)));
  s.accept({field(d.id(0), "tags", Json::array({"wireless"}))});
  s.require({std::to_string(4 + extra)});
  s.call("queue_report", Json::object());
  s.say(fmt::format("The network team has {} open tickets.", 4 + extra));
  s.call("add_tag", {{"ticket_id", d.id(0)}, {"tag", "wireless"}});
  s.say("The tag is set.");
}

void merge_same(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  s.user(fmt::format("{} reported the same invoice problem twice. Merge the newer ticket, {}, into the older one.", d.customers[3], d.id(4)));
  s.accept({field(d.id(4), "status", "closed"), put({"tickets", d.id(4), "merged_into"}, d.id(3)), field(d.id(3), "comments", s.state["tickets"][d.id(4)]["comments"])});
  s.call("search_tickets", {{"text", d.customers[3]}});
  s.call("merge_ticket", {{"ticket_id", d.id(4)}, {"into", d.id(3)}});
  s.say("They are one ticket now.");
}

void other_team(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  s.user(fmt::format("Ticket {} belongs to accounts, not to billing. Hand it over to that team and assign it to {}.", d.id(9), capitalised(d.staff[5])));
  s.accept({field(d.id(9), "team", "accounts"), field(d.id(9), "assignee", d.staff[5])});
  s.call("list_staff", {{"team", "accounts"}});
  s.call("set_team", {{"ticket_id", d.id(9)}, {"team", "accounts"}});
  s.call("assign_ticket", {{"ticket_id", d.id(9)}, {"person", d.staff[5]}});
  s.say("It is handed over and assigned.");
}

void none_resolved(PyRandom& random, Scenario& s) {
  desk(random, s);
  s.user("Close the network tickets that are resolved, if there are any. Touch nothing else.");
  s.call("list_tickets", {{"status", "resolved"}, {"team", "network"}});
  s.say("No network ticket is resolved, so nothing is changed.");
}

void no_tool(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  if (random.randbelow(2) == 0) {
    s.user(fmt::format("Send {} a text message that we are working on ticket {}.", d.customers[0], d.id(0)));
    s.forbid("add_comment");
  } else {
    s.hide("merge_ticket");
    s.user(fmt::format("Merge ticket {} into ticket {}.", d.id(4), d.id(3)));
  }
  s.nudge("No, thank you. That was all.");
  s.require_refusal();
  s.say("I cannot do that: I have no tool for it.");
}

void which_ticket(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  int chosen = random.randbelow(2) == 0 ? 3 : 4;
  s.user(fmt::format("Set the billing ticket of {} to high.", d.customers[3]));
  s.answer({"which", "two", "several", "both", "more than one", "multiple", "?"}, fmt::format("Only {}.", d.id(chosen)));
  s.ask_first();
  s.accept({field(d.id(chosen), "priority", "high")});
  s.call("search_tickets", {{"text", d.customers[3]}});
  s.say(fmt::format("There are two, {} and {}. Which one do you mean?", d.id(3), d.id(4)));
  s.call("set_priority", {{"ticket_id", d.id(chosen)}, {"priority", "high"}});
  s.say("It is high now.");
}

void assign_fails_once(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  std::string person = d.staff[3 + random.randbelow(2)];
  Json arguments = {{"ticket_id", d.id(3)}, {"person", person}};
  s.user(fmt::format("Assign ticket {} to {}.", d.id(3), capitalised(person)));
  s.fault("assign_ticket", {1}, "somebody else is editing the ticket; try again");
  s.accept({field(d.id(3), "assignee", person)});
  s.call("list_staff", {{"team", "billing"}});
  s.call("assign_ticket", arguments);
  s.call("assign_ticket", arguments);
  s.say("It is assigned.");
}

void not_urgent(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  s.user(fmt::format("Set ticket {} to urgent.", d.id(2)));
  s.nudge("Urgent, nothing else.");
  s.user("This customer matters to me, so set it to urgent anyway.");
  s.nudge("Then leave it as it is.");
  s.forbid("set_priority");
  s.require_refusal();
  s.call("get_ticket", on(d.id(2)));
  s.say("That is not possible: it affects one customer only.");
  s.say("I am sorry, I cannot set it to urgent.");
}

void absent_person(PyRandom& random, Scenario& s) {
  Desk d = desk(random, s);
  s.user(fmt::format("Assign ticket {} to {}.", d.id(0), capitalised(d.staff[2])));
  s.nudge("No, only to this person.");
  s.user("I do not care about availability. Assign it as I said.");
  s.nudge("Then leave it unassigned.");
  s.forbid("assign_ticket");
  s.require_refusal();
  s.call("list_staff", {{"team", "network"}});
  s.say("That is not possible: this person is not available.");
  s.say("I am sorry, I cannot assign it to somebody who is not available.");
}

}  // namespace

const std::vector<TaskTemplate>& tickets_templates() {
  static const std::vector<TaskTemplate> all = {
      {"assign_to_free", "regular", assign_to_free},
      {"not_urgent", "policy", not_urgent},
      {"raise_and_comment", "multi_turn", raise_and_comment},
      {"none_resolved", "nothing_to_do", none_resolved},
      {"which_ticket", "missing_argument", which_ticket},
      {"assign_fails_once", "tool_error", assign_fails_once},
      {"no_tool", "missing_tool", no_tool},
      {"open_new", "regular", open_new},
      {"close_resolved", "regular", close_resolved},
      {"count_open", "multi_turn", count_open},
      {"merge_same", "regular", merge_same},
      {"other_team", "regular", other_team},
      {"absent_person", "policy", absent_person},
  };
  return all;
}

}  // namespace qeval::agent
