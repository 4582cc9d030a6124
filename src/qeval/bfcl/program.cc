#include "qeval/bfcl/program.h"

namespace qeval {
namespace {

// The checker's own executor puts a call's text into eval(); ours takes its place for the model's calls. What it answers
// to a name that is no method, or that the package refuses, is what the package answers.
constexpr const char* kHead = R"PY(
import ast, inspect, io, json, os, sys
from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_checker as checker, multi_turn_utils as utils

REFUSED = ("kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run")
package_execute = utils.execute_multi_turn_func_call


def clean(text, limit=None):
    text = str(text).encode("utf-8", "replace").decode("utf-8")
    return text if limit is None or len(text) <= limit else text[:limit] + " ..."


def instances_of(scenario, who):
    category = scenario["id"].rsplit("_", 1)[0]
    is_long = "long_context" in category or "composite" in category
    return package_execute([], scenario["initial_config"], scenario["involved_classes"], who, scenario["id"], is_long, True)[1]


def methods_of(instances):
    return {name: method for instance in instances.values() for name, method in inspect.getmembers(instance, inspect.ismethod)
            if not name.startswith("_")}


def result_text(value):
    if type(value) == str:
        return value
    if type(value) == dict:
        try:
            return json.dumps(value)
        except Exception:
            pass
    return str(value)


def carry_out_call(call, methods):
    name = call["name"]
    parts = name.split(".")
    last = parts[1] if len(parts) > 1 else name
    if last in REFUSED:
        return "Error during execution: Function call %s is not allowed." % last
    if name not in methods:
        return "Error during execution: name '%s' is not defined" % parts[0]
    try:
        return result_text(methods[name](**call["arguments"]))
    except Exception as error:
        return "Error during execution: %s" % error


def carry_out(request):
    methods = methods_of(instances_of(request["scenario"], "model"))
    return {"results": [[[clean(carry_out_call(call, methods)) for call in step] for step in turn] for turn in request["turns"]]}


def judge(request):
    scenario, seen = request["scenario"], {"turn": -1}

    def execute(func_call_list, initial_config, involved_classes, model_name, test_entry_id, long_context=False, is_evaL_run=False):
        if model_name.endswith("_ground_truth"):
            seen["turn"] += 1
            return package_execute(func_call_list, initial_config, involved_classes, model_name, test_entry_id, long_context, is_evaL_run)
        instances = package_execute([], initial_config, involved_classes, model_name, test_entry_id, long_context, is_evaL_run)[1]
        methods = methods_of(instances)
        return [carry_out_call(call, methods) for call in func_call_list], instances

    checker.execute_multi_turn_func_call = execute
    try:
        verdict = checker.multi_turn_checker(request["turns"], request["accepted"], scenario, "", "model")
    except Exception as error:
        verdict = {"valid": False, "error_type": "checker_raised", "error_message": "%s: %s" % (type(error).__name__, error)}
    valid = verdict["valid"] is True
    details = verdict.get("details", {})
    out = {"valid": valid, "error_type": clean(verdict.get("error_type", "")), "message": clean(verdict.get("error_message", ""), 400),
           "turn": -1 if valid else seen["turn"]}
    if "missing_items" in details:
        out["missing"] = [clean(item, 200) for item in details["missing_items"][:3]]
    if "differences" in details:
        out["differences"] = [[clean(name), clean(values["model"], 120), clean(values["ground_truth"], 120)]
                              for name, values in list(details["differences"].items())[:3]]
    return out


def read_accepted(request):
    methods = methods_of(instances_of(request["scenario"], "model"))

    def read(text):
        node = ast.parse(text, mode="eval").body
        name = node.func.id
        names = list(inspect.signature(methods[name]).parameters)
        arguments = {names[i]: ast.literal_eval(value) for i, value in enumerate(node.args)}
        arguments.update((keyword.arg, ast.literal_eval(keyword.value)) for keyword in node.keywords)
        return {"name": name, "arguments": arguments}

    return {"turns": [[read(text) for text in turn] for turn in request["accepted"]]}


def say(result):
    data = ("\nqeval-result " + json.dumps(result) + "\n").encode("ascii")
    while data:
        data = data[os.write(1, data):]


def main(request):
    sys.stdout = io.StringIO()
    result = {"carry_out": carry_out, "judge": judge, "read_accepted": read_accepted}[request["op"]](request)
    say(result)
    assert result.get("valid", True), "not valid"


)PY";

// The text as a Python bytes literal.
std::string bytes_literal(const std::string& ascii) {
  std::string out = "b'";
  for (char c : ascii) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

std::string bfcl_program(const Json& request) {
  return kHead + std::string("main(json.loads(") + bytes_literal(request.dump(-1, ' ', true, Json::error_handler_t::replace)) + "))\n";
}

}  // namespace qeval
