#include "qeval/net/http_client.h"
#include "qeval/net/hub.h"
#include "qeval/task/dataset.h"

namespace qeval {

HttpGet network_get(const TaskSources& sources) {
  HubConfig hub = hub_config_from_environment();
  if (sources.offline || hub.offline) return nullptr;
  return [hub, stop = sources.stop](const std::string& url) -> Result<std::string> {
    constexpr std::string_view kHub = "https://huggingface.co/", kService = "https://datasets-server.huggingface.co/";
    HttpRequest request;
    request.url = url.starts_with(kHub) ? hub.endpoint + "/" + url.substr(kHub.size()) : url;
    if (url.starts_with(kHub) || url.starts_with(kService)) request.bearer_token = hub.token;
    request.connect_timeout_s = hub.connect_timeout_s;
    request.stall_timeout_s = hub.stall_timeout_s;
    request.progress = [stop](int64_t, int64_t) { return !(stop && stop->load()); };
    return http_get(request);
  };
}

}  // namespace qeval
