#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qeval/util/json.h"

// Internal to text/: the values of the template language, with Python's types (Json knows no tuple, no function and
// nothing undefined).
namespace qeval::jinja {

// Thrown inside the engine only; Template's public functions turn it into an Error.
struct TemplateError {
  int line;
  std::string message;
};

enum class Kind { undefined, none, boolean, integer, real, string, list, tuple, dict, range, iterator, name_space, function, loop };

struct Object {
  virtual ~Object() = default;
};

class Runtime;
class Value;
using Items = std::vector<Value>;

struct Str;
struct Seq;
struct Dict;
struct Range;
struct Iterator;
struct Namespace;
struct Function;
struct Loop;

class Value {
 public:
  Value() = default;  // None
  // `lenient`: prints as nothing and is false, where the usual one fails (an inline if without else).
  static Value undefined(std::string message, bool lenient = false);
  static Value boolean(bool v);
  static Value integer(int64_t v);
  static Value real(double v);
  static Value string(std::string utf8, bool markup = false);
  static Value object(Kind kind, std::shared_ptr<Object> object);

  Kind kind() const { return kind_; }
  bool is(Kind k) const { return kind_ == k; }
  bool is_lenient() const;
  bool is_string() const { return kind_ == Kind::string; }
  bool is_number() const { return kind_ == Kind::boolean || kind_ == Kind::integer || kind_ == Kind::real; }
  bool is_integral() const { return kind_ == Kind::boolean || kind_ == Kind::integer; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }
  bool is_container() const;
  int depth() const;  // levels of nesting below and including this value

  int64_t as_int() const { return int_; }  // boolean and integer
  double as_double() const { return kind_ == Kind::real ? real_ : static_cast<double>(int_); }
  const Str& str() const;
  const std::string& text() const;  // of a string; the message of an undefined
  Seq& seq() const;
  Dict& dict() const;
  const Range& range() const;
  Iterator& iterator() const;
  Namespace& name_space() const;
  const Function& function() const;
  Loop& loop() const;
  const std::shared_ptr<Object>& object() const { return object_; }

 private:
  Kind kind_ = Kind::none;
  union {
    int64_t int_ = 0;
    double real_;
  };
  std::shared_ptr<Object> object_;
};

struct Str : Object {
  std::string text;
  size_t n_points = 0;  // equal to text.size() where the text is ASCII
  bool markup = false;  // already escaped for HTML
  bool ascii() const { return n_points == text.size(); }
};

// A list or a tuple. Depth is what it was when built: what is appended later is kept alive by Runtime instead.
struct Seq : Object {
  Items items;
  int depth = 1;
};

// Insertion-ordered, keys by Python's equality (1 == 1.0 == True).
struct Dict : Object {
  std::vector<std::pair<Value, Value>> entries;
  int depth = 1;
  const Value* find(const std::string& encoded) const;
  void set(const std::string& encoded, Value key, Value value);
  bool erase(const std::string& encoded);

 private:
  std::unordered_map<std::string, size_t> index_;
};

struct Range : Object {
  int64_t start = 0, stop = 0, step = 1;
  int64_t length() const;
};

// What Python would give as a generator, an iterator or a view of a dict.
struct Iterator : Object {
  std::string type;  // generator, dict_keys, dict_values, dict_items, reversed
  Items items;
  bool once = true;  // a view can be walked again
  int depth = 1;
};

struct Namespace : Object {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct Args {
  Items positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Function : Object {
  int depth = 1;  // of what it is bound to
  std::string name;
  std::function<Value(Runtime&, Args&)> call;
};

struct Loop : Object {
  std::shared_ptr<Items> items;
  size_t index0 = 0;
  int depth = 1;
  std::optional<Items> last_changed;
};

// State and limits of one render. Not shared between threads.
class Runtime {
 public:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  int line = 0;  // of what is being evaluated, for messages
  [[noreturn]] void fail(std::string message) const { throw TemplateError{line, std::move(message)}; }
  void charge(size_t units);
  void enter();  // one more level of evaluation
  void leave() { --depth_; }

  Value string(std::string utf8, bool markup = false);
  Value list(Items items) { return sequence(Kind::list, std::move(items)); }
  Value tuple(Items items) { return sequence(Kind::tuple, std::move(items)); }
  Value iterator(std::string type, Items items, bool once = true);
  Value from_json(const Json& json, int depth = 0);
  Json to_json(const Value& value, int depth = 0);
  // A container that changes after it was built may hold itself, or be nested without limit: it lives until the
  // render ends, and is taken apart then without recursion.
  void keep(std::shared_ptr<Object> object) { kept_.push_back(std::move(object)); }

 private:
  Value sequence(Kind kind, Items items);
  size_t used_ = 0;
  int depth_ = 0;
  std::vector<std::shared_ptr<Object>> kept_;
};

int depth_of(const Items& items);  // of a container of these

constexpr size_t kMaxStringBytes = size_t{64} << 20;
constexpr int kMaxValueDepth = 500;

// Guards a level of recursion.
class Level {
 public:
  explicit Level(Runtime& rt) : rt_(rt) { rt_.enter(); }
  ~Level() { rt_.leave(); }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Runtime& rt_;
};

// --- template_value.cc: what Python's built-in operations on any value do ---
bool truth(Runtime& rt, const Value& v);
std::string type_name(const Value& v);  // str, int, list, NoneType …
std::string to_str(Runtime& rt, const Value& v);   // str(v)
std::string to_repr(Runtime& rt, const Value& v);  // repr(v)
void require_defined(Runtime& rt, const Value& v);
std::string encode_key(Runtime& rt, const Value& key);  // equal keys, equal text; fails where Python cannot hash
void dict_set(Runtime& rt, Dict& dict, Value key, Value value);
Value new_dict();
bool equals(Runtime& rt, const Value& a, const Value& b);
int compare(Runtime& rt, const Value& a, const Value& b, std::string_view op);  // <0, 0, >0; NaN: 2
Items iterate(Runtime& rt, const Value& v);  // list(v)
size_t length(Runtime& rt, const Value& v);
bool contains(Runtime& rt, const Value& container, const Value& item);

// --- template_ops.cc ---
enum class BinaryOp { add, sub, mul, div, floordiv, mod, pow };
Value binary(Runtime& rt, BinaryOp op, const Value& a, const Value& b);
Value negate(Runtime& rt, const Value& v);
Value get_attribute(Runtime& rt, const Value& object, const std::string& name);  // object.name
Value get_item(Runtime& rt, const Value& object, const Value& key);              // object[key]
Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step);
// Substring by code points; 0 <= begin <= end <= length.
std::string_view substring(const Str& s, size_t begin, size_t end);
std::string escape_text(std::string_view text);  // & < > ' " for HTML, as markupsafe does

// --- template_format.cc ---
std::string percent_format(Runtime& rt, const std::string& format, const Value& arguments);     // format % arguments
std::string format_spec(Runtime& rt, const Value& value, const std::string& spec);              // format(value, spec)
std::string str_format(Runtime& rt, const std::string& format, const Args& args);               // format.format(…)

// --- template_methods.cc, template_str_methods.cc: bound methods; nullopt where the type has none of that name ---
std::optional<Value> find_method(Runtime& rt, const Value& object, const std::string& name);
std::optional<Value> find_str_method(Runtime& rt, const Value& object, const std::string& name);
// `depth`: of the value that the function holds.
Value make_function(std::string name, std::function<Value(Runtime&, Args&)> call, int depth = 0);

// Arguments in the order of `names`, from positions and keywords; Python's errors for too many, unknown or missing.
std::vector<std::optional<Value>> bind(Runtime& rt, const std::string& function, const Args& args,
                                       const std::vector<std::string>& names, size_t n_required);
int64_t int_argument(Runtime& rt, const std::string& function, const Value& v);
std::string str_argument(Runtime& rt, const std::string& function, const Value& v);

// --- template_filters*.cc, template_tests.cc; args.positional[0] is the value on the left ---
using Builtin = Value (*)(Runtime&, Args&);
Builtin find_filter(std::string_view name);
Builtin find_text_filter(std::string_view name);
Builtin find_sequence_filter(std::string_view name);
using TestFunction = bool (*)(Runtime&, Args&);
TestFunction find_test(std::string_view name);
Value find_global(std::string_view name);  // range, dict, namespace; undefined where unknown
Value attribute_path(Runtime& rt, const Value& object, const Value& path);  // 'a.b.0' or an index

}  // namespace qeval::jinja
