#include "qeval/core/model_spec.h"

namespace qeval {

Json WeightsIdentity::identity() const {
  if (verified) return {{"sha256", sha256}, {"tokenizer", tokenizer_hash}};
  return {{"declared", source}, {"revision", revision}, {"quantization", quantization}};
}

Json to_json(const WeightsIdentity& w) {
  return {{"source", w.source}, {"hf_id", w.hf_id}, {"revision", w.revision}, {"sha256", w.sha256},
          {"quantization", w.quantization}, {"tokenizer_hash", w.tokenizer_hash},
          {"chat_template_hash", w.chat_template_hash}, {"architecture", w.architecture}, {"name", w.name},
          {"size_bytes", w.size_bytes}, {"params_b", w.params_b}, {"verified", w.verified}};
}

WeightsIdentity weights_from_json(const Json& j) {
  WeightsIdentity w;
  w.source = json_string(j, "source");
  w.hf_id = json_string(j, "hf_id");
  w.revision = json_string(j, "revision");
  w.sha256 = json_string(j, "sha256");
  w.quantization = json_string(j, "quantization");
  w.tokenizer_hash = json_string(j, "tokenizer_hash");
  w.chat_template_hash = json_string(j, "chat_template_hash");
  w.architecture = json_string(j, "architecture");
  w.name = json_string(j, "name");
  w.size_bytes = json_int(j, "size_bytes");
  w.params_b = json_number(j, "params_b");
  w.verified = json_bool(j, "verified");
  return w;
}

Json to_json(const Preset& p) {
  Json out = {{"preset", p.name}, {"quantization_method", p.quantization_method}, {"max_model_len", p.max_model_len},
              {"gpu_memory_utilization", p.gpu_memory_utilization}, {"max_num_seqs", p.max_num_seqs},
              {"evaluation_batch_size", p.evaluation_batch_size}, {"agent_temperature", p.agent_temperature},
              {"prefix_caching", p.prefix_caching}};
  if (!p.vllm.is_null()) out["vllm"] = p.vllm;
  if (!p.llama.is_null()) out["llama"] = p.llama;
  return out;
}

}  // namespace qeval
