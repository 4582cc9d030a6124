#include <fmt/format.h>

#include "qeval/agent/scenario.h"

namespace qeval::agent {
namespace {

const std::vector<std::string> kProducts = {"desk lamp", "tea kettle", "rain jacket", "garden hose", "wall clock", "hand mixer", "yoga mat", "bike pump", "photo frame", "wool scarf"};
const std::vector<std::string> kStreets = {"Lindenweg", "Harbour Road", "Mill Lane", "Rue du Parc", "Oak Street"};

struct Shop {
  std::string customer, email, name;
  std::string recent, open, old;  // orders: see shop()
  std::vector<std::string> skus;        // five products; the last is on final sale
  std::vector<std::string> names;
  std::vector<int> prices;
};

Json item(int quantity, int price) { return {{"quantity", quantity}, {"price", price}, {"refunded", 0}, {"replaced", false}}; }

// Today is 20 April 2026. Orders of one customer: `recent`, delivered 2 to 20 days ago, two products (0, 1) and the one
// on final sale (4); `open`, in processing, product 2 and 3; `old`, delivered 40 to 60 days ago, product 1. Another
// customer has an order, too.
Shop shop(PyRandom& random, Scenario& s) {
  Shop w;
  w.names = pick(random, kProducts, 5);
  Json products = Json::object();
  int number = between(random, 200, 700);
  for (int i = 0; i < 5; ++i) {
    w.skus.push_back(fmt::format("P-{}", number + 7 * i));
    w.prices.push_back(between(random, 9, 80));
    products[w.skus.back()] = {{"name", w.names[static_cast<size_t>(i)]}, {"price", w.prices.back()}, {"stock", between(random, 4, 30)}, {"final_sale", i == 4}};
  }
  std::vector<std::string> people = pick(random, first_names(), 2);
  w.customer = fmt::format("C-{}", between(random, 10, 49));
  w.email = people[0] + "@mail.example";
  w.name = capitalised(people[0]);
  int order = between(random, 1001, 1900);
  w.recent = fmt::format("O-{}", order);
  w.open = fmt::format("O-{}", order + 11);
  w.old = fmt::format("O-{}", order - 53);
  std::string other = fmt::format("O-{}", order + 5), address = fmt::format("{} {}", random.choice(kStreets), between(random, 1, 90));
  auto make = [&](const std::string& customer, const std::string& ordered, const std::string& status, const Json& delivered, const Json& items) -> Json {
    return {{"customer_id", customer}, {"ordered_on", ordered}, {"status", status}, {"delivered_on", delivered}, {"address", address}, {"items", items}, {"notes", Json::array()}};
  };
  Json orders = Json::object();
  orders[w.old] = make(w.customer, "2026-02-12", "delivered", fmt::format("2026-02-{:02}", between(random, 19, 28)), {{w.skus[1], item(1, w.prices[1])}});
  orders[w.recent] = make(w.customer, "2026-03-28", "delivered", fmt::format("2026-04-{:02}", between(random, 1, 18)),
                          {{w.skus[0], item(between(random, 2, 4), w.prices[0])}, {w.skus[1], item(1, w.prices[1])}, {w.skus[4], item(1, w.prices[4])}});
  orders[other] = make("C-77", "2026-04-15", "shipped", nullptr, {{w.skus[0], item(1, w.prices[0])}});
  orders[w.open] = make(w.customer, "2026-04-19", "processing", nullptr, {{w.skus[2], item(1, w.prices[2])}, {w.skus[3], item(2, w.prices[3])}});
  s.state = {{"today", "2026-04-20"},
             {"customers", {{w.customer, {{"name", w.name}, {"email", w.email}, {"credit", 0}}}, {"C-77", {{"name", capitalised(people[1])}, {"email", people[1] + "@mail.example"}, {"credit", 5}}}}},
             {"products", products}, {"orders", orders}, {"escalations", Json::object()}};
  return w;
}

int paid(const Scenario& s, const std::string& order, const std::string& sku) {
  const Json& line = s.state["orders"][order]["items"][sku];
  return line["price"].get<int>() * line["quantity"].get<int>();
}
Json refunded(const std::string& order, const std::string& sku, int amount) { return put({"orders", order, "items", sku, "refunded"}, amount); }
Json look(const std::string& order) { return {{"order_id", order}}; }
int stock(const Scenario& s, const std::string& sku) { return s.state["products"][sku]["stock"].get<int>(); }
std::vector<Json> cancelled(const Scenario& s, const Shop& w) {
  return {put({"orders", w.open, "status"}, "cancelled"), put({"products", w.skus[2], "stock"}, stock(s, w.skus[2]) + 1), put({"products", w.skus[3], "stock"}, stock(s, w.skus[3]) + 2)};
}

void refund_in_time(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  int amount = paid(s, w.recent, w.skus[0]);
  s.user(fmt::format("Hello, I want to send back the {} from order {} and get my money back for all of them.", w.names[0], w.recent));
  s.accept({refunded(w.recent, w.skus[0], amount)});
  s.call("get_order", look(w.recent));
  s.call("refund_item", {{"order_id", w.recent}, {"sku", w.skus[0]}, {"amount", amount}});
  s.say(fmt::format("{} euros are on their way back to you.", amount));
}

void cancel_open(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  s.user(fmt::format("I ordered yesterday and changed my mind. My mail address is {}. Please cancel the order that has not been sent yet.", w.email));
  s.accept(cancelled(s, w));
  s.call("find_customer", {{"email", w.email}});
  s.call("list_orders", {{"customer_id", w.customer}});
  s.call("cancel_order", look(w.open));
  s.say("Your order is cancelled.");
}

void new_address(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  std::string address = fmt::format("{} {}", random.choice(kStreets), between(random, 100, 199)), email = fmt::format("{}{}@post.example", w.email.substr(0, w.email.find('@')), between(random, 2, 9));
  s.user(fmt::format("Please send my order {} to this address instead: {}", w.open, address));
  s.user(fmt::format("Thanks. I am customer {}; my mail address is now {}, please change that as well.", w.customer, email));
  s.accept({put({"orders", w.open, "address"}, address), put({"customers", w.customer, "email"}, email)});
  s.call("change_address", {{"order_id", w.open}, {"address", address}});
  s.say("The order goes to the new address.");
  s.call("update_email", {{"customer_id", w.customer}, {"email", email}});
  s.say("Your mail address is changed.");
}

void replace_damaged(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  s.user(fmt::format("The {} in order {} arrived broken. I do not want money, I want a new one.", w.names[4], w.recent));
  s.accept({put({"orders", w.recent, "items", w.skus[4], "replaced"}, true), put({"products", w.skus[4], "stock"}, stock(s, w.skus[4]) - 1)});
  s.call("get_order", look(w.recent));
  s.call("replace_item", {{"order_id", w.recent}, {"sku", w.skus[4]}});
  s.say("A new one is on its way.");
}

void when_delivered(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  std::string date = s.state["orders"][w.recent]["delivered_on"].get<std::string>();
  s.user(fmt::format("On which day was order {} delivered? Write it as YYYY-MM-DD. And how many euros did I pay for the {} in it, all together?", w.recent, w.names[0]));
  s.require({date});
  s.require({std::to_string(paid(s, w.recent, w.skus[0]))});
  s.call("get_order", look(w.recent));
  s.say(fmt::format("It was delivered on {}; the price was {} euros.", date, paid(s, w.recent, w.skus[0])));
}

void cancel_then_refund(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  int amount = paid(s, w.recent, w.skus[1]);
  s.user(fmt::format("Cancel order {}, please.", w.open));
  s.user(fmt::format("And I send back the {} from order {}. Please refund it.", w.names[1], w.recent));
  std::vector<Json> all = cancelled(s, w);
  all.push_back(refunded(w.recent, w.skus[1], amount));
  s.accept(all);
  s.call("get_order", look(w.open));
  s.call("cancel_order", look(w.open));
  s.say("The order is cancelled.");
  s.call("get_order", look(w.recent));
  s.call("refund_item", {{"order_id", w.recent}, {"sku", w.skus[1]}, {"amount", amount}});
  s.say(fmt::format("You get {} euros back.", amount));
}

void already_refunded(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  s.state["orders"][w.recent]["items"][w.skus[1]]["refunded"] = w.prices[1];
  s.user(fmt::format("If the {} from order {} has not been refunded yet, please refund it. If it has, everything is fine and you need not do anything.", w.names[1], w.recent));
  s.call("get_order", look(w.recent));
  s.say("It has been refunded already, so I changed nothing.");
}

void no_cancel_tool(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  if (random.randbelow(2) == 0) {
    s.hide("cancel_order");
    s.user(fmt::format("Please cancel my order {}.", w.open));
  } else {
    s.user(fmt::format("Please add one more {} to my order {}.", w.names[0], w.open));
  }
  s.nudge("No, thank you. That was all.");
  s.require_refusal();
  s.call("get_order", look(w.open));
  s.say("I am sorry, I cannot do that: I have no tool for it.");
}

void which_item(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  size_t which = random.randbelow(2);
  int amount = paid(s, w.recent, w.skus[which]);
  s.user(fmt::format("I want to return something from order {} and get a refund.", w.recent));
  s.answer({"which", "what", "item", "product", "?"}, fmt::format("The {}, all that I bought of it.", w.names[which]));
  s.ask_first();
  s.accept({refunded(w.recent, w.skus[which], amount)});
  s.call("get_order", look(w.recent));
  s.say("Which item do you want to return?");
  s.call("refund_item", {{"order_id", w.recent}, {"sku", w.skus[which]}, {"amount", amount}});
  s.say(fmt::format("You get {} euros back.", amount));
}

void refund_fails_once(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  int amount = paid(s, w.recent, w.skus[0]);
  Json arguments = {{"order_id", w.recent}, {"sku", w.skus[0]}, {"amount", amount}};
  s.user(fmt::format("Please refund the {} of order {}; I send all of them back.", w.names[0], w.recent));
  s.fault("refund_item", {1}, "the payment service does not answer; try again");
  s.accept({refunded(w.recent, w.skus[0], amount)});
  s.call("get_order", look(w.recent));
  s.call("refund_item", arguments);
  s.call("refund_item", arguments);
  s.say(fmt::format("You get {} euros back.", amount));
}

void too_late(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  s.user(fmt::format("I want my money back for the {} in order {}.", w.names[1], w.old));
  s.nudge("I just want the refund.");
  s.user("I know somebody who got a refund after two months. Make an exception and refund it now.");
  s.nudge("Then not.");
  for (const char* tool : {"refund_item", "give_credit", "replace_item", "escalate"}) s.forbid(tool);
  s.require_refusal();
  s.call("get_order", look(w.old));
  s.say("I am sorry, that is not possible: it was delivered more than 30 days ago.");
  s.say("I cannot make an exception.");
}

void final_sale(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  s.user(fmt::format("I do not like the color of the {} from order {}. Please refund it.", w.names[4], w.recent));
  s.nudge("No, nothing is wrong with it. I do not like the color.");
  s.user(fmt::format("Then give me {} euros of store credit for it instead.", between(random, 30, 60)));
  s.nudge("Then not.");
  for (const char* tool : {"refund_item", "give_credit", "replace_item", "escalate"}) s.forbid(tool);
  s.require_refusal();
  s.call("get_order", look(w.recent));
  s.call("get_product", {{"sku", w.skus[4]}});
  s.say("I am sorry, it was on final sale and cannot be refunded.");
  s.say("Store credit is not possible for this either.");
}

void wants_a_human(PyRandom& random, Scenario& s) {
  Shop w = shop(random, s);
  s.user(fmt::format("I have had enough of this. I want a human to look at order {}.", w.recent));
  s.nudge("Just hand it over, please.");
  s.accept({put({"escalations", w.recent}, {{"$any", true}})});
  s.call("escalate", {{"order_id", w.recent}, {"reason", "The customer asks for a human."}});
  s.say("A colleague takes over.");
}

}  // namespace

const std::vector<TaskTemplate>& shop_templates() {
  static const std::vector<TaskTemplate> all = {
      {"refund_in_time", "regular", refund_in_time},
      {"too_late", "policy", too_late},
      {"cancel_then_refund", "multi_turn", cancel_then_refund},
      {"already_refunded", "nothing_to_do", already_refunded},
      {"which_item", "missing_argument", which_item},
      {"refund_fails_once", "tool_error", refund_fails_once},
      {"no_cancel_tool", "missing_tool", no_cancel_tool},
      {"cancel_open", "regular", cancel_open},
      {"new_address", "multi_turn", new_address},
      {"replace_damaged", "regular", replace_damaged},
      {"when_delivered", "regular", when_delivered},
      {"final_sale", "policy", final_sale},
      {"wants_a_human", "regular", wants_a_human},
  };
  return all;
}

}  // namespace qeval::agent
