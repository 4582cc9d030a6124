#include <fmt/format.h>

#include "qeval/agent/world.h"

// State: {"today", "customers": {id: {name, email, credit}}, "products": {sku: {name, price, stock, final_sale}},
// "orders": {id: {customer_id, ordered_on, status, delivered_on, address, items: {sku: {quantity, price, refunded,
// replaced}}, notes}}, "escalations": {order id: reason}}. Money is in whole euros.
namespace qeval::agent {
namespace {

ToolResult none_such(const char* kind, const std::string& id) { return refuse("not_found", fmt::format("there is no {} {}", kind, quote(id))); }

// Order and item of the arguments; null with `error` set where one is not there.
Json* item_of(Json& state, const Json& args, ToolError& error) {
  std::string order = text_of(args, "order_id"), sku = text_of(args, "sku");
  if (!has(state["orders"], order)) {
    error = {"not_found", fmt::format("there is no order {}", quote(order))};
  } else if (!has(state["orders"][order]["items"], sku)) {
    error = {"not_found", fmt::format("order {} has no item {}", order, quote(sku))};
  } else {
    return &state["orders"][order]["items"][sku];
  }
  return nullptr;
}

Json with_id(const char* key, const std::string& id, const Json& object) {
  Json out = {{key, id}};
  out.update(object);
  return out;
}

ToolResult find_customer(Json& state, const Json& args) {
  for (const auto& [id, customer] : state["customers"].items())
    if (customer["email"] == args["email"]) return with_id("customer_id", id, customer);
  return none_such("customer with the mail address", text_of(args, "email"));
}

ToolResult get_customer(Json& state, const Json& args) {
  std::string id = text_of(args, "customer_id");
  if (!has(state["customers"], id)) return none_such("customer", id);
  return with_id("customer_id", id, state["customers"][id]);
}

ToolResult list_orders(Json& state, const Json& args) {
  std::string id = text_of(args, "customer_id");
  if (!has(state["customers"], id)) return none_such("customer", id);
  Json out = Json::array();
  for (const auto& [order_id, order] : state["orders"].items())
    if (order["customer_id"] == id) out.push_back({{"order_id", order_id}, {"ordered_on", order["ordered_on"]}, {"status", order["status"]}});
  return Json{{"orders", out}};
}

ToolResult get_order(Json& state, const Json& args) {
  std::string id = text_of(args, "order_id");
  if (!has(state["orders"], id)) return none_such("order", id);
  Json out = with_id("order_id", id, state["orders"][id]);
  for (auto& [sku, item] : out["items"].items())
    if (has(state["products"], sku)) item["name"] = state["products"][sku]["name"];
  return out;
}

ToolResult get_product(Json& state, const Json& args) {
  std::string sku = text_of(args, "sku");
  if (!has(state["products"], sku)) return none_such("product", sku);
  return with_id("sku", sku, state["products"][sku]);
}

ToolResult search_products(Json& state, const Json& args) {
  Json out = Json::array();
  for (const auto& [sku, product] : state["products"].items())
    if (contains_ignoring_case(product["name"].get<std::string>(), text_of(args, "name_contains")))
      out.push_back({{"sku", sku}, {"name", product["name"]}, {"price", product["price"]}});
  return Json{{"products", out}};
}

ToolResult cancel_order(Json& state, const Json& args) {
  std::string id = text_of(args, "order_id");
  if (!has(state["orders"], id)) return none_such("order", id);
  Json& order = state["orders"][id];
  if (order["status"] != "processing")
    return refuse("not_allowed", fmt::format("order {} is {}; only orders in processing can be cancelled", id, order["status"].get<std::string>()));
  order["status"] = "cancelled";
  for (auto& [sku, item] : order["items"].items())
    state["products"][sku]["stock"] = state["products"][sku]["stock"].get<int64_t>() + item["quantity"].get<int64_t>();
  return Json{{"order_id", id}, {"status", "cancelled"}};
}

ToolResult change_address(Json& state, const Json& args) {
  std::string id = text_of(args, "order_id"), address = text_of(args, "address");
  if (!has(state["orders"], id)) return none_such("order", id);
  if (address.empty()) return refuse("invalid_value", "address: must not be empty");
  Json& order = state["orders"][id];
  if (order["status"] != "processing") return refuse("not_allowed", fmt::format("order {} has left the warehouse", id));
  order["address"] = address;
  return Json{{"order_id", id}, {"address", address}};
}

// Whether the policy allows it is the agent's business; only more money than was paid cannot go back.
ToolResult refund_item(Json& state, const Json& args) {
  ToolError error;
  Json* item = item_of(state, args, error);
  if (!item) return refuse(error.code, error.message);
  int64_t amount = args["amount"].get<int64_t>();
  int64_t paid = (*item)["price"].get<int64_t>() * (*item)["quantity"].get<int64_t>(), before = (*item)["refunded"].get<int64_t>();
  if (amount < 1 || amount > paid - before)
    return refuse("invalid_value", fmt::format("amount: 1 to {} was expected, not {}", paid - before, amount));
  (*item)["refunded"] = before + amount;
  return Json{{"order_id", args["order_id"]}, {"sku", args["sku"]}, {"refunded", before + amount}};
}

ToolResult replace_item(Json& state, const Json& args) {
  ToolError error;
  Json* item = item_of(state, args, error);
  if (!item) return refuse(error.code, error.message);
  Json& product = state["products"][text_of(args, "sku")];
  int64_t stock = product["stock"].get<int64_t>(), wanted = (*item)["quantity"].get<int64_t>();
  if ((*item)["replaced"] == true) return refuse("conflict", "this item was replaced already");
  if (stock < wanted) return refuse("conflict", fmt::format("only {} in stock", stock));
  product["stock"] = stock - wanted;
  (*item)["replaced"] = true;
  return Json{{"order_id", args["order_id"]}, {"sku", args["sku"]}, {"done", "replacement sent"}};
}

ToolResult give_credit(Json& state, const Json& args) {
  std::string id = text_of(args, "customer_id");
  if (!has(state["customers"], id)) return none_such("customer", id);
  int64_t amount = args["amount"].get<int64_t>();
  if (amount < 1 || amount > 1000) return refuse("invalid_value", fmt::format("amount: 1 to 1000 was expected, not {}", amount));
  Json& credit = state["customers"][id]["credit"];
  credit = credit.get<int64_t>() + amount;
  return Json{{"customer_id", id}, {"credit", credit}};
}

ToolResult update_email(Json& state, const Json& args) {
  std::string id = text_of(args, "customer_id"), email = text_of(args, "email");
  if (!has(state["customers"], id)) return none_such("customer", id);
  if (email.find('@') == std::string::npos || email.find(' ') != std::string::npos)
    return refuse("invalid_value", fmt::format("email: {} is not a mail address", quote(email)));
  state["customers"][id]["email"] = email;
  return Json{{"customer_id", id}, {"email", email}};
}

ToolResult add_note(Json& state, const Json& args) {
  std::string id = text_of(args, "order_id"), text = text_of(args, "text");
  if (!has(state["orders"], id)) return none_such("order", id);
  if (text.empty()) return refuse("invalid_value", "text: must not be empty");
  state["orders"][id]["notes"].push_back(text);
  return Json{{"order_id", id}, {"notes", state["orders"][id]["notes"].size()}};
}

ToolResult escalate(Json& state, const Json& args) {
  std::string id = text_of(args, "order_id"), reason = text_of(args, "reason");
  if (!has(state["orders"], id)) return none_such("order", id);
  if (has(state["escalations"], id)) return refuse("conflict", fmt::format("order {} was escalated already", id));
  state["escalations"][id] = reason;
  return Json{{"order_id", id}, {"done", "a colleague takes over"}};
}

}  // namespace

World shop_world() {
  Param order{"order_id", "string", "Id of the order, such as O-1001"};
  Param customer{"customer_id", "string", "Id of the customer, such as C-12"};
  Param sku{"sku", "string", "Product number, such as P-305"};
  World world;
  world.name = "shop";
  world.title = "Shop support";
  world.policy =
      "You are the support agent of a web shop. Amounts are whole euros.\n"
      "- Refunds: only for items of delivered orders, within 30 days after delivery, never for items on final sale; the amount is "
      "the price times the quantity of that item.\n"
      "- Damaged items: the same 30 days; the customer chooses between refund and replacement, also on final sale.\n"
      "- Orders can be cancelled or get another address only while they are in processing.\n"
      "- Store credit: at most 20 per request, and only for an order that was delivered late or damaged.\n"
      "- Escalate only when the customer asks for a human.\n"
      "- Look orders up before you act. What these rules do not allow is declined, whatever the customer says, and you tell them.";
  world.tools = {
      {"find_customer", "The customer with a mail address", parameters({{"email", "string", "Mail address"}}), false, find_customer},
      {"get_customer", "Name, mail address and store credit", parameters({customer}), false, get_customer},
      {"list_orders", "Orders of a customer", parameters({customer}), false, list_orders},
      {"get_order", "Status, dates, address and items of an order", parameters({order}), false, get_order},
      {"get_product", "Price, stock and sale terms of a product", parameters({sku}), false, get_product},
      {"search_products", "Products by a part of their name", parameters({{"name_contains", "string", "Part of the name, case ignored"}}), false, search_products},
      {"cancel_order", "Cancel an order in processing", parameters({order}), true, cancel_order},
      {"change_address", "Change where an order goes", parameters({order, {"address", "string", "The whole new address"}}), true, change_address},
      {"refund_item", "Pay money back for one item", parameters({order, sku, {"amount", "integer", "Whole euros"}}), true, refund_item},
      {"replace_item", "Send one item again", parameters({order, sku}), true, replace_item},
      {"give_credit", "Add store credit", parameters({customer, {"amount", "integer", "Whole euros"}}), true, give_credit},
      {"update_email", "Change a customer's mail address", parameters({customer, {"email", "string", "New mail address"}}), true, update_email},
      {"add_note", "Add an internal note to an order", parameters({order, {"text", "string", "The note"}}), true, add_note},
      {"escalate", "Hand an order over to a human colleague", parameters({order, {"reason", "string", "Why"}}), true, escalate},
  };
  return world;
}

}  // namespace qeval::agent
