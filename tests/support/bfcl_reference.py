"""The package bfcl-eval's own word on conversations, one JSON line each; run by the Python that has the package.

In: {id, initial_config, involved_classes, turns: [[[{name, arguments}]]], accepted: [[text]]}. Calls become the texts that
the package's own decoders make of them. Out: {valid, error_type, results: [[[text]]]}.
"""
import json
import sys

from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_utils
from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker


def text_of(call):
    return f"{call['name']}({','.join(f'{k}={v!r}' for k, v in call['arguments'].items())})"


for number, line in enumerate(sys.stdin):
    asked = json.loads(line)
    turns = [[[text_of(call) for call in step] for step in turn] for turn in asked["turns"]]
    is_long = "long_context" in asked["id"]
    results = [[multi_turn_utils.execute_multi_turn_func_call(step, asked["initial_config"], asked["involved_classes"], f"loop{number}", asked["id"], is_long)[0]
                for step in turn] for turn in turns]
    try:
        verdict = multi_turn_checker(turns, asked["accepted"], asked, "", f"check{number}")
    except Exception as error:
        verdict = {"valid": False, "error_type": "checker_raised", "error_message": repr(error)}
    print(json.dumps({"valid": verdict["valid"], "error_type": verdict.get("error_type", ""), "results": results}), flush=True)
    # Every instance stays in the module for good; thousands of them would not fit.
    for name in [n for n in vars(multi_turn_utils) if n.endswith("_instance")]:
        delattr(multi_turn_utils, name)
