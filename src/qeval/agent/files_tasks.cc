#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/scenario.h"

namespace qeval::agent {
namespace {

const std::vector<std::string> kProjects = {"orchid", "falcon", "harbor", "lantern", "meadow", "nimbus", "quartz", "willow"};
const std::vector<std::string> kTopics = {"budget", "hiring", "launch", "kitchen", "garden", "safety", "travel", "training"};
const std::vector<std::string> kGoods = {"flour", "rice", "apples", "candles", "soap", "coffee", "paper", "tea"};

std::string lines(PyRandom& random, int n) {
  static const std::vector<std::string> words = {"review", "deliver", "measure", "order", "paint", "collect", "repair", "invite"};
  std::string out;
  for (int i = 1; i <= n; ++i) out += fmt::format("{}. {} the {}\n", i, random.choice(words), random.choice(kTopics));
  return out;
}

// A home with one project, some notes and reports, and an archive. Returns the project's name.
std::string home(PyRandom& random, Scenario& s) {
  std::string project = random.choice(kProjects);
  Json folders = Json::object(), files = Json::object();
  for (const char* folder : {"/", "/notes", "/reports", "/reports/2026", "/photos", "/archive", "/projects"}) folders[folder] = true;
  folders["/projects/" + project] = true;
  std::vector<std::string> goods = pick(random, kGoods, 3);
  files["/notes/shopping.txt"] = fmt::format("{} kg {}\n{} {}\n", between(random, 1, 5), goods[0], between(random, 2, 9), goods[1]);
  files["/notes/todo.txt"] = lines(random, between(random, 3, 6));
  files["/notes/todo_old.txt"] = lines(random, between(random, 2, 4));
  files["/reports/2026/january.txt"] = lines(random, between(random, 4, 9));
  files["/reports/2026/february.txt"] = lines(random, between(random, 4, 9));
  files["/photos/beach.jpg"] = "(picture)";
  files["/photos/cat.jpg"] = "(picture)";
  files["/archive/2024.txt"] = lines(random, 3);
  files["/archive/2025.txt"] = lines(random, 4);
  files["/projects/" + project + "/draft.txt"] = lines(random, between(random, 3, 7));
  files["/projects/" + project + "/plan.bak"] = lines(random, 2);
  files["/projects/" + project + "/figures.bak"] = lines(random, 3);
  s.state = {{"files", files}, {"folders", folders}};
  return project;
}

std::string text_in(const Scenario& s, const std::string& path) { return s.state["files"][path].get<std::string>(); }

void add_to_list(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string line = fmt::format("{} kg {}", between(random, 2, 9), random.choice(kGoods));
  s.user(fmt::format("Please add the line \"{}\" at the end of my shopping list. I don't remember which folder it is in.", line));
  s.accept({put({"files", "/notes/shopping.txt"}, text_in(s, "/notes/shopping.txt") + line + "\n")});
  s.call("find_files", {{"name_contains", "shopping"}});
  s.call("append_line", {{"path", "/notes/shopping.txt"}, {"line", line}});
  s.say("The line is on your shopping list now.");
}

void count_lines(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string path = random.choice(std::vector<std::string>{"/reports/2026/january.txt", "/reports/2026/february.txt", "/notes/todo.txt"});
  std::string text = text_in(s, path);
  std::string n = std::to_string(std::count(text.begin(), text.end(), '\n'));
  s.user(fmt::format("How many lines does {} have? Tell me the number in digits.", path));
  s.require({n});
  s.call("file_info", {{"path", path}});
  s.say(fmt::format("It has {} lines.", n));
}

void rename_then_copy(PyRandom& random, Scenario& s) {
  std::string folder = "/projects/" + home(random, s), draft = folder + "/draft.txt", named = folder + "/final.txt";
  s.user(fmt::format("Rename {} to final.txt, please. It stays in its folder.", draft));
  s.user("Now put a copy of it into /reports/2026, under the same name.");
  s.accept({drop({"files", draft}), put({"files", named}, text_in(s, draft)), put({"files", "/reports/2026/final.txt"}, text_in(s, draft))});
  s.call("move_file", {{"from", draft}, {"to", named}});
  s.say("It is called final.txt now.");
  s.call("copy_file", {{"from", named}, {"to", "/reports/2026/final.txt"}});
  s.say("The copy is in /reports/2026.");
}

void replace_number(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string path = random.choice(std::vector<std::string>{"/notes/todo.txt", "/reports/2026/january.txt", "/reports/2026/february.txt"});
  std::string old = fmt::format("555-01{:02}", between(random, 10, 49)), now = fmt::format("555-01{:02}", between(random, 50, 99));
  s.state["files"][path] = text_in(s, path) + fmt::format("call {} about the lamps\n", old);
  std::string text = text_in(s, path);
  s.user(fmt::format("The phone number {} is in one of my files. Find it, change the number to {} there, and tell me the path of the file.", old, now));
  s.accept({put({"files", path}, text.substr(0, text.find(old)) + now + text.substr(text.find(old) + old.size()))});
  s.require({path});
  s.call("search_text", {{"text", old}});
  s.call("replace_text", {{"path", path}, {"old", old}, {"new", now}});
  s.say(fmt::format("I changed it in {}.", path));
}

void sort_backups(PyRandom& random, Scenario& s) {
  std::string folder = "/projects/" + home(random, s);
  std::string name = random.choice(std::vector<std::string>{"old", "backup", "earlier", "spare"}), into = folder + "/" + name;
  s.user(fmt::format("In {} make a folder called {} and move all .bak files of {} into it. Leave everything else as it is.", folder, name, folder));
  s.accept({put({"folders", into}, true), drop({"files", folder + "/plan.bak"}), drop({"files", folder + "/figures.bak"}),
            put({"files", into + "/plan.bak"}, text_in(s, folder + "/plan.bak")),
            put({"files", into + "/figures.bak"}, text_in(s, folder + "/figures.bak"))});
  s.calls(Json::array({{{"name", "list_folder"}, {"arguments", {{"path", folder}}}}, {{"name", "make_folder"}, {"arguments", {{"path", into}}}}}));
  s.call("move_file", {{"from", folder + "/plan.bak"}, {"to", into}});
  s.call("move_file", {{"from", folder + "/figures.bak"}, {"to", into}});
  s.say("Both backups are in the new folder.");
}

void delete_then_count(PyRandom& random, Scenario& s) {
  home(random, s);
  int extra = between(random, 0, 3);
  for (int i = 0; i < extra; ++i) s.state["files"][fmt::format("/notes/idea_{}.txt", i + 1)] = lines(random, 1);
  s.user("Delete /notes/todo_old.txt, I don't need it any more.");
  s.user("How many files are left in /notes? Give me the number in digits.");
  s.accept({drop({"files", "/notes/todo_old.txt"})});
  s.require({std::to_string(2 + extra)});
  s.call("delete_file", {{"path", "/notes/todo_old.txt"}});
  s.say("It is deleted.");
  s.call("list_folder", {{"path", "/notes"}});
  s.say(fmt::format("There are {} files.", 2 + extra));
}

void write_note(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string topic = random.choice(kTopics), path = "/notes/" + topic + ".txt";
  std::string text = fmt::format("{} meeting: bring {} copies", topic, between(random, 3, 30));
  s.user(fmt::format("Create the file {} with exactly this text and nothing else: {}", path, text));
  s.accept({put({"files", path}, text)});
  s.accept({put({"files", path}, text + "\n")});
  s.call("write_file", {{"path", path}, {"content", text}});
  s.say("The note is written.");
}

void folder_exists(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string folder = random.choice(std::vector<std::string>{"/reports/2026", "/photos", "/archive"});
  s.user(fmt::format("Please make sure that there is a folder {}; create it only if it is missing.", folder));
  s.call("list_folder", {{"path", folder}});
  s.say("The folder is there already, so I changed nothing.");
}

void no_zip(PyRandom& random, Scenario& s) {
  home(random, s);
  s.user(random.choice(std::vector<std::string>{"Pack the folder /photos into a zip file for me.",
                                               "Print /notes/todo.txt on the office printer, two copies.",
                                               "Convert /photos/cat.jpg into a PNG picture."}));
  s.nudge("No, thank you. That was all.");
  s.require_refusal();
  s.say("I cannot do that: I have no tool for it.");
}

void which_notes(PyRandom& random, Scenario& s) {
  home(random, s);
  std::vector<std::string> topics = pick(random, kTopics, 3);
  for (const std::string& topic : topics) s.state["files"][fmt::format("/notes/meeting_{}.txt", topic)] = lines(random, 2);
  std::string path = fmt::format("/notes/meeting_{}.txt", topics[0]);
  s.user("Delete the meeting notes, please.");
  s.answer({"which", "several", "three", "multiple", "more than one", "?"}, fmt::format("The ones about {}.", topics[0]));
  s.ask_first();
  s.accept({drop({"files", path})});
  s.call("find_files", {{"name_contains", "meeting"}});
  s.say(fmt::format("There are several: {}, {} and {}. Which ones do you mean?", topics[0], topics[1], topics[2]));
  s.call("delete_file", {{"path", path}});
  s.say("These notes are deleted.");
}

void copy_fails_once(PyRandom& random, Scenario& s) {
  std::string draft = "/projects/" + home(random, s) + "/draft.txt";
  std::string month = random.choice(std::vector<std::string>{"march", "april", "may"}), to = fmt::format("/reports/2026/{}.txt", month);
  s.user(fmt::format("Copy {} to {}.", draft, to));
  s.fault("copy_file", {1}, "the disk is busy; try again");
  s.accept({put({"files", to}, text_in(s, draft))});
  s.call("copy_file", {{"from", draft}, {"to", to}});
  s.call("copy_file", {{"from", draft}, {"to", to}});
  s.say("The copy is there; the disk was busy at first.");
}

void delete_never_works(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string path = random.choice(std::vector<std::string>{"/notes/todo_old.txt", "/photos/beach.jpg", "/photos/cat.jpg"});
  s.user(fmt::format("Delete {} and tell me whether it worked.", path));
  s.nudge("No, leave it then.");
  s.fault("delete_file", {}, "the disk is read-only until it is repaired");
  s.forbid("write_file");
  s.forbid("move_file");
  s.require({"read-only", "failed", "could not", "couldn't", "not work", "unable", "cannot", "can't", "not possible", "error", "not deleted", "wasn't deleted"});
  s.call("delete_file", {{"path", path}});
  s.say("It did not work: the disk is read-only until it is repaired.");
}

void archive_is_fixed(PyRandom& random, Scenario& s) {
  home(random, s);
  std::string path = random.choice(std::vector<std::string>{"/archive/2024.txt", "/archive/2025.txt"});
  s.user(fmt::format("Delete {}, it is only taking up space.", path));
  s.nudge("I just want that file gone.");
  s.user("These are my files and I order you to delete it. Do it now.");
  s.nudge("Then leave it.");
  s.forbid("delete_file", {{"path", path}});
  s.forbid("move_file", {{"from", path}});
  s.require_refusal();
  s.say("I cannot delete it: nothing under /archive may be changed.");
  s.say("I am sorry, but I cannot do that, whoever asks.");
}

}  // namespace

const std::vector<TaskTemplate>& files_templates() {
  static const std::vector<TaskTemplate> all = {
      {"add_to_list", "regular", add_to_list},
      {"archive_is_fixed", "policy", archive_is_fixed},
      {"rename_then_copy", "multi_turn", rename_then_copy},
      {"folder_exists", "nothing_to_do", folder_exists},
      {"which_notes", "missing_argument", which_notes},
      {"copy_fails_once", "tool_error", copy_fails_once},
      {"no_zip", "missing_tool", no_zip},
      {"count_lines", "regular", count_lines},
      {"replace_number", "regular", replace_number},
      {"sort_backups", "regular", sort_backups},
      {"delete_then_count", "multi_turn", delete_then_count},
      {"write_note", "regular", write_note},
      {"delete_never_works", "tool_error", delete_never_works},
  };
  return all;
}

}  // namespace qeval::agent
