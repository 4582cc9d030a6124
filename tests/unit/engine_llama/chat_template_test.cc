#include "qeval/engine/llama/chat_template.h"

#include <gtest/gtest.h>

#include "qeval/util/file.h"

namespace qeval {
namespace {

ChatPrompt chat_of(const Json& json) {
  ChatPrompt out;
  for (const Json& message : json["messages"]) {
    Message m{message["role"].get<std::string>(), message["content"].get<std::string>(), Json::object()};
    for (const auto& [key, value] : message.items())
      if (key != "role" && key != "content") m.extra[key] = value;
    out.messages.push_back(std::move(m));
  }
  if (json.contains("tools")) out.tools = json["tools"];
  out.continue_final_message = json_bool(json, "continue_final_message");
  if (json.contains("enable_thinking")) out.enable_thinking = json["enable_thinking"].get<bool>();
  return out;
}

// Every Qwen template that llama.cpp ships against what Hugging Face's renderer gives (make_chat_templates.py).
TEST(ChatTemplate, EqualsHuggingFaceToTheByte) {
  const std::string folder = QEVAL_SOURCE_DIR "/.deps/llama.cpp/models/templates/";
  const Json cases = parse_json(read_file(QEVAL_SOURCE_DIR "/tests/cases/engine/chat_templates.json").value()).value();
  int n_compared = 0;
  for (const Json& item : cases) {
    auto source = read_file(folder + item["template"].get<std::string>());
    if (!source) continue;
    auto parsed = ChatTemplate::parse(*source, "<|endoftext|>", "<|im_end|>");
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    auto text = (*parsed)->render(chat_of(item["chat"]));
    const std::string where = item["template"].get<std::string>() + " " + dump_json(item["chat"]);
    if (item.contains("error")) {
      EXPECT_FALSE(text.has_value()) << where;
    } else {
      ASSERT_TRUE(text.has_value()) << where << "\n" << text.error().message;
      EXPECT_EQ(*text, item["text"].get<std::string>()) << where;
    }
    ++n_compared;
  }
  if (n_compared == 0) GTEST_SKIP() << "no templates in " << folder;
}

TEST(ChatTemplate, ErrorsNameTheComplaint) {
  auto broken = ChatTemplate::parse("{% for x in %}", "", "");
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().kind, ErrorKind::bad_input);
  auto raising = ChatTemplate::parse("{{ raise_exception('roles must alternate') }}", "", "").value();
  ChatPrompt chat;
  chat.messages = {{"user", "x", nullptr}};
  auto text = raising->render(chat);
  ASSERT_FALSE(text.has_value());
  EXPECT_NE(text.error().message.find("roles must alternate"), std::string::npos);
  auto dropping = ChatTemplate::parse("fixed text", "", "").value();
  chat.continue_final_message = true;
  EXPECT_FALSE(dropping->render(chat).has_value());
  chat.messages.clear();
  EXPECT_FALSE(dropping->render(chat).has_value());
}

}  // namespace
}  // namespace qeval
