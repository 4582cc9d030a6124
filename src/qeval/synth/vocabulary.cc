#include "qeval/synth/generators.h"

namespace qeval::synth {

const std::vector<std::string>& people() {
  static const std::vector<std::string> all = {"Ada",   "Boris", "Carla", "Deniz", "Elif",   "Farid", "Grace", "Hugo",
                                               "Ines",  "Jonas", "Keiko", "Lena",  "Malik",  "Nora",  "Omar",  "Petra",
                                               "Quinn", "Rosa",  "Samir", "Tara",  "Ulrich", "Vera",  "Wei",   "Yara"};
  return all;
}

const std::vector<std::string>& words() {
  static const std::vector<std::string> all = {
      "amber",   "basket", "candle", "desert", "engine", "feather", "garden", "harbor", "island", "jacket", "kettle",
      "lantern", "marble", "needle", "orange", "pepper", "quartz",  "ribbon", "saddle", "timber", "urchin", "velvet",
      "window",  "yellow", "anchor", "button", "copper", "dragon",  "falcon", "ginger", "hammer", "jungle"};
  return all;
}

}  // namespace qeval::synth
