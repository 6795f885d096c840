#include "vm/measurements.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "devices/pool.h"
#include "io/clock.h"
#include "isa/json_text.h"
#include "vm/machine_core.h"

namespace chimera::vm {
namespace {

using Kind = Measurement::Kind;
using Samples = std::vector<Measurement::Sample>;

Samples one(std::uint64_t value) { return {{.label_value = {}, .value = value}}; }
Samples one(const io::Histogram& histogram) { return {{.label_value = {}, .histogram = &histogram}}; }

Samples instructions(const Statistics& statistics) {
  Samples samples;
  for (const Row& row : rows) {
    samples.push_back({row.mnemonic, statistics.instructions[static_cast<std::size_t>(row.operation)]});
  }
  return samples;
}

Samples failures(const Statistics& statistics) {
  Samples samples;
  for (unsigned status = 1; status < status_count; ++status) {
    samples.push_back({status_text(static_cast<Status>(status)), statistics.failures[status]});
  }
  return samples;
}

void measure_machine(const Statistics& statistics, std::vector<Measurement>& all) {
  all.push_back({"uptime_seconds",
                 Kind::gauge,
                 "Since the machine began",
                 {},
                 true,
                 one(io::monotonic_ns() - statistics.began_ns)});
  all.push_back({"instructions_total", Kind::counter, "Instructions that have ended, by operation", "operation", false,
                 instructions(statistics)});
  all.push_back(
      {"failures_total", Kind::counter, "Answers that were not ok, by status", "status", false, failures(statistics)});
  all.push_back({"short_reads_total",
                 Kind::counter,
                 "Reads among the instructions that found all they needed in memory and took the short way",
                 {},
                 false,
                 one(statistics.short_reads)});
  all.push_back({"instruction_bytes_total",
                 Kind::counter,
                 "Bytes of instructions, with their payloads",
                 {},
                 false,
                 one(statistics.consumed_bytes)});
  all.push_back({"answer_bytes_total",
                 Kind::counter,
                 "Bytes of answers, with their results",
                 {},
                 false,
                 one(statistics.answer_bytes)});
  all.push_back({"reruns_total",
                 Kind::counter,
                 "Transactions that lost and were run again, unseen",
                 {},
                 false,
                 one(statistics.reruns)});
  all.push_back({"wait_seconds",
                 Kind::histogram,
                 "Instructions that had to wait for blocks, memory, room or the end of flushes, until they ended",
                 "of",
                 false,
                 {{.label_value = "write", .histogram = &statistics.waiting_writes},
                  {.label_value = "other", .histogram = &statistics.waiting_others}}});
  all.push_back({"flush_seconds",
                 Kind::histogram,
                 "Flushes, syncs and commits, from their first run until they were durable",
                 {},
                 false,
                 one(statistics.flushes)});
}

/// What `describe store` has told all along.
void measure_store(const devices::StoreFigures& store, std::vector<Measurement>& all) {
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    all.push_back({name, Kind::gauge, help, {}, false, one(value)});
  };
  const auto& on_disk = store.on_disk;
  gauge("store_size_bytes", "The store as a whole", store.size);
  gauge("store_used_bytes", "What is taken of it", store.used);
  gauge("store_free_bytes", "What users can have of it", store.free);
  if (on_disk) gauge("store_kept_back_bytes", "What is kept back for deletes and checkpoints", on_disk->kept_back);
  gauge("devices", "Devices in the store", store.devices);
  if (!on_disk) return;
  gauge("devices_being_freed", "Deleted devices whose blocks are being freed", on_disk->being_freed);
  gauge("cache_size_bytes", "Memory for cached blocks", on_disk->cache.size);
  gauge("cache_dirty_bytes", "Cached blocks that neither a checkpoint nor the journal has written to their places",
        on_disk->cache.dirty);
  if (!on_disk->journal) return;
  const auto& journal = *on_disk->journal;
  gauge("journal_size_bytes", "Room of the journal", journal.size);
  gauge("journal_used_bytes", "What records take of it that would be run again after a crash", journal.used);
  gauge("journal_last_record", "Number of the last record", journal.last);
  gauge("journal_durable_record", "Number of the last record that is durable", journal.durable);
}

/// Of the devices that most has been done to: there may be more of them than anybody wants to be told of.
void measure_devices(const devices::Store& store, std::vector<Measurement>& all) {
  using Traffic = devices::Device::Traffic;
  constexpr std::size_t most_told = 50;
  std::vector<devices::Device*> used = store.list({}, {}, store.device_count());
  std::erase_if(used, [](const auto* device) { return device->traffic().reads + device->traffic().writes == 0; });
  const auto bytes = [](const auto* device) { return device->traffic().read_bytes + device->traffic().written_bytes; };
  const std::size_t told = std::min(used.size(), most_told);
  std::ranges::partial_sort(used, used.begin() + static_cast<std::ptrdiff_t>(told), std::greater(), bytes);
  used.resize(told);
  const auto tell = [&](std::string_view name, std::string_view help, std::uint64_t Traffic::*figure) {
    Samples samples;
    for (const auto* device : used)
      samples.push_back({.label_value = device->name(), .value = device->traffic().*figure});
    all.push_back({name, Kind::counter, help, "device", false, std::move(samples)});
  };
  tell("device_reads_total", "Reads and checks of data, by device", &Traffic::reads);
  tell("device_read_bytes_total", "Bytes that they have looked at, by device", &Traffic::read_bytes);
  tell("device_writes_total", "Writes of data, by device", &Traffic::writes);
  tell("device_written_bytes_total", "Bytes that they have written, by device", &Traffic::written_bytes);
}

void measure_pool(const devices::Pool& pool, const devices::BlockCache& cache, const Statistics& statistics,
                  std::vector<Measurement>& all) {
  const devices::Checkpoint& checkpoint = pool.checkpoint();
  all.push_back({"store_failed",
                 Kind::gauge,
                 "1 when a write or flush of the disk has failed: only reads go on",
                 {},
                 false,
                 one(pool.failed() ? 1 : 0)});
  all.push_back({"cache_found_total",
                 Kind::counter,
                 "Blocks that instructions found in the cache, after they had been read if need be",
                 {},
                 false,
                 one(cache.found() + statistics.found_blocks)});
  all.push_back({"cache_misses_total",
                 Kind::counter,
                 "Blocks read because they were not in the cache",
                 {},
                 false,
                 one(cache.misses())});
  all.push_back({"checkpoints_total", Kind::counter, "Checkpoints published", {}, false, one(checkpoint.count())});
  all.push_back({"checkpoint_age_seconds",
                 Kind::gauge,
                 "Since the last checkpoint was published, or the store opened",
                 {},
                 true,
                 one(io::monotonic_ns() - checkpoint.published_ns())});
  all.push_back({"checkpoint_seconds",
                 Kind::histogram,
                 "Checkpoints, from the freeze of their state on",
                 {},
                 false,
                 one(checkpoint.durations())});
}

void measure_disk(const io::DiskStatistics& disk, std::vector<Measurement>& all) {
  all.push_back({"disk_bytes_total",
                 Kind::counter,
                 "Bytes read from and written to the disk, and given back to it",
                 "request",
                 false,
                 {{"read", disk.reads.bytes}, {"write", disk.writes.bytes}, {"discard", disk.discards.bytes}}});
  all.push_back({"disk_seconds",
                 Kind::histogram,
                 "Requests to the disk, with their wait for a place in its queue",
                 "request",
                 false,
                 {{.label_value = "read", .histogram = &disk.reads.duration},
                  {.label_value = "write", .histogram = &disk.writes.duration},
                  {.label_value = "flush", .histogram = &disk.flushes.duration},
                  {.label_value = "discard", .histogram = &disk.discards.duration}}});
}

double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

std::string json_of(const io::Histogram& histogram) {
  std::string buckets;
  for (std::size_t bucket = 0; bucket < io::Histogram::bucket_count; ++bucket) {
    const std::uint64_t count = histogram.buckets()[bucket];
    if (count == 0) continue;
    const bool is_last = bucket + 1 == io::Histogram::bucket_count;
    const std::string bound = is_last ? "null" : json_number(seconds(io::Histogram::bound_ns(bucket)));
    buckets += fmt::format("{}[{},{}]", buckets.empty() ? "" : ",", bound, count);
  }
  return JsonObject()
      .number("count", histogram.count())
      .json("sum", json_number(seconds(histogram.sum_ns())))
      .json("buckets", '[' + buckets + ']')
      .end();
}

std::string json_of(const Measurement& measurement, const Measurement::Sample& sample) {
  if (sample.histogram != nullptr) return json_of(*sample.histogram);
  return measurement.is_nanoseconds ? json_number(seconds(sample.value)) : fmt::format_int(sample.value).str();
}

}  // namespace

std::vector<Measurement> MachineCore::measure() const {
  std::vector<Measurement> all;
  measure_machine(statistics_, all);
  all.push_back({"sessions",
                 Kind::gauge,
                 "Sessions: connections, and requests of NBD clients",
                 {},
                 false,
                 one(sessions_.size())});
  all.push_back({"open_transactions",
                 Kind::gauge,
                 "Transactions between begin and commit",
                 {},
                 false,
                 one(transactions_.open_count())});
  all.push_back({"transaction_bytes",
                 Kind::gauge,
                 "Memory that open transactions hold",
                 {},
                 false,
                 one(transactions_.held_bytes)});
  measure_store(store_->figures(), all);
  measure_devices(*store_, all);
  if (devices::Pool* const pool = store_->pool(); pool != nullptr) {
    measure_pool(*pool, pool->blocks().cache(), statistics_, all);
    if (const io::DiskStatistics* const disk = pool->disk().statistics(); disk != nullptr) measure_disk(*disk, all);
  }
  for (const MeasurementSource* source : sources_) source->measure(all);
  return all;
}

std::string to_json(const std::vector<Measurement>& all) {
  JsonObject object;
  for (const Measurement& measurement : all) {
    JsonObject by_label;
    JsonObject& place = measurement.label.empty() ? object : by_label;
    for (const Measurement::Sample& sample : measurement.samples) {
      place.json(measurement.label.empty() ? measurement.name : sample.label_value, json_of(measurement, sample));
    }
    if (!measurement.label.empty()) object.json(measurement.name, by_label.end());
  }
  return object.end();
}

}  // namespace chimera::vm
