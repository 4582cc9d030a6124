"""The peers' inputs, made from the same docs: inputs.py DIR DATA_DIR"""
import json
import os
import random
import sys

N_DOCS = 200  # of HellaSwag and ARC


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def hellaswag(out, data):
    docs = lines(f"{data}/hellaswag/hellaswag_val.jsonl")
    # llama-perplexity reads six lines a doc: context, number of the right ending, four endings.
    with open(f"{out}/hellaswag.txt", "w", encoding="utf-8") as file:
        for doc in docs[:N_DOCS]:
            parts = [doc["query"], str(doc["gold"]), *doc["choices"]]
            file.write("".join(" ".join(part.split()) + "\n" for part in parts))
    with open(f"{out}/hellaswag.requests.jsonl", "w", encoding="utf-8") as file:
        for doc in docs[:N_DOCS]:
            for choice in doc["choices"]:
                file.write(json.dumps({"context": doc["query"], "continuation": " " + choice}) + "\n")


def prompts(out):
    """64 unrelated prompts for generation, each of 128 tokens or a little more."""
    random.seed(1)
    words = "time year people way day man thing woman life child world school state family student group country".split()
    with open(f"{out}/prompts.jsonl", "w", encoding="utf-8") as file:
        for i in range(64):
            text = " ".join([str(i)] + [random.choice(words) for _ in range(400)])
            file.write(json.dumps({"prompt": text}) + "\n")


def lm_eval_tasks(out, data):
    """lm-eval's own tasks, with the data read from local files in place of the hub."""
    os.makedirs(f"{out}/tasks", exist_ok=True)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

    def local(name, source, files, drop=()):
        with open(f"{root}/tasks/{source}", encoding="utf-8") as file:
            text = file.read()
        kept, skip = [], False
        for line in text.splitlines():
            if not line.startswith((" ", "#", "-")):
                skip = line.split(":")[0] in ("task", "tag", "dataset_path", "dataset_name", "include", "metadata", *drop)
            if not skip:
                kept.append(line)
        head = [f"task: {name}", "dataset_path: json", f"dataset_kwargs: {json.dumps({'data_files': files})}"]
        with open(f"{out}/tasks/{name}.yaml", "w", encoding="utf-8") as file:
            file.write("\n".join(head + kept + ["metadata: {version: 1.0}"]) + "\n")

    local("bench_arc", "arc/arc_easy.yaml", {"test": f"{data}/arc/ARC-Challenge-Test.jsonl"},
          drop=("training_split", "validation_split", "fewshot_split"))
    local("bench_gsm8k", "gsm8k/gsm8k.yaml",
          {"train": f"{data}/gsm8k/train.jsonl", "test": f"{data}/gsm8k/test.jsonl"})
    mbpp(out, data, root)


def mbpp(out, data, root):
    """The three fixed examples as text: lm-eval takes them from a hook. Not scored: its scorer comes from the hub."""
    with open(f"{root}/tasks/mbpp/mbpp.yaml", encoding="utf-8") as file:
        question = next(line for line in file if line.startswith("doc_to_text:"))
    question = json.loads(question.split(":", 1)[1].strip())
    with open(f"{root}/tasks/mbpp/fewshot.json", encoding="utf-8") as file:
        examples = json.load(file)
    shots = ""
    for doc in examples:
        text = question.replace("{{text}}", doc["text"])
        for i in range(3):
            text = text.replace(f"{{{{test_list[{i}]}}}}", doc["test_list"][i])
        shots += text + doc["code"] + "\n[DONE]\n\n"
    docs = [doc for doc in lines(f"{data}/mbpp/mbpp.jsonl") if 11 <= doc["task_id"] <= 510]
    with open(f"{out}/mbpp.jsonl", "w", encoding="utf-8") as file:
        for doc in docs:
            file.write(json.dumps({"text": doc["text"], "test_list": doc["test_list"]}) + "\n")
    task = {"task": "bench_mbpp", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": f"{out}/mbpp.jsonl"}},
            "output_type": "generate_until", "test_split": "test", "doc_to_text": shots + question, "doc_to_target": "",
            "target_delimiter": "", "generation_kwargs": {"until": ["[DONE]"], "do_sample": False}, "num_fewshot": 0,
            "metric_list": [{"metric": "bypass"}], "metadata": {"version": 1.0}}
    with open(f"{out}/tasks/bench_mbpp.yaml", "w", encoding="utf-8") as file:
        json.dump(task, file)  # JSON is YAML


if __name__ == "__main__":
    hellaswag(sys.argv[1], sys.argv[2])
    prompts(sys.argv[1])
    lm_eval_tasks(sys.argv[1], sys.argv[2])
