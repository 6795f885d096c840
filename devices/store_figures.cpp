#include "devices/store_figures.h"

#include <boost/uuid/uuid_io.hpp>

namespace chimera::devices {
namespace {

std::string cache_json(const StoreFigures::OnDisk::Cache& cache) {
  return JsonObject().number("size", cache.size).number("dirty", cache.dirty).number("misses", cache.misses).end();
}

std::string journal_json(const std::optional<StoreFigures::OnDisk::Journal>& journal) {
  if (!journal) return "null";
  return JsonObject()
      .number("size", journal->size)
      .number("used", journal->used)
      .number("last", journal->last)
      .number("durable", journal->durable)
      .end();
}

}  // namespace

JsonObject StoreFigures::to_json() const {
  JsonObject json;
  if (!on_disk) {
    json.text("kind", "memory").number("size", size).number("used", used).number("free", free);
    json.number("devices", devices).json("cache", "null").json("journal", "null").json("checkpoint", "null");
    return json;
  }
  json.text("kind", "pool").text("uuid", to_string(on_disk->uuid));
  json.number("size", size).number("used", used).number("free", free).number("kept_back", on_disk->kept_back);
  json.number("devices", devices).number("being_freed", on_disk->being_freed);
  json.text("state", on_disk->failure.empty() ? "good" : "failed");
  if (!on_disk->failure.empty()) json.text("failure", on_disk->failure);
  json.json("cache", cache_json(on_disk->cache)).json("journal", journal_json(on_disk->journal));
  json.number("given_back", on_disk->given_back);
  json.json("checkpoint",
            JsonObject().number("generation", on_disk->generation).number("since_open", on_disk->checkpoints).end());
  return json;
}

}  // namespace chimera::devices
