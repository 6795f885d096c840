// What a store does for devices that are files: making them, and flushing them beside the pool.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "devices/file_device.h"
#include "devices/pool.h"
#include "devices/store.h"

namespace chimera::devices {

/// What was there when a flush began, and how the pool's own wait for it stands.
class Store::FlushProgress final : public Progress {
 public:
  std::vector<std::pair<Uuid, FileDevice::Ticket>> tickets;
  std::unique_ptr<Progress> pool;
  Status failed = Status::ok;  ///< of a file
  std::string message;
};

PoolDevice* Store::part_of(Device& device) {
  switch (device.kind()) {
    case Kind::pool: return &static_cast<PoolDevice&>(device);
    case Kind::file: return &static_cast<FileDevice&>(device).part();
    case Kind::memory: break;
  }
  return nullptr;
}

std::vector<std::string> Store::missing_files() const {
  std::vector<std::string> reasons;
  for (const FileDevice* file : files_) {
    if (std::string why = file->why_missing(); !why.empty()) reasons.push_back(std::move(why));
  }
  return reasons;
}

std::unique_ptr<FileDevice> Store::make_file(std::unique_ptr<PoolDevice> part) {
  return std::make_unique<FileDevice>(*pool_, std::move(part), folder_.get(), file_budget_);
}

bool Store::is_missing(const Device& device) {
  return device.kind() == Kind::file && !static_cast<const FileDevice&>(device).why_missing().empty();
}

Outcome Store::open_file(Waiter& waiter, const std::string& path, std::unique_ptr<io::File>& opened) {
  if (pool_ == nullptr || folder_ == nullptr) {
    waiter.message = pool_ == nullptr ? "a store in memory serves no files"
                                      : "no folder has been named from which files may be served: see --attach";
    return Outcome::fail(pool_ == nullptr ? Status::unsupported : Status::denied);
  }
  // It may not have been opened yet.
  const auto same = std::ranges::find(files_, path, &FileDevice::path);
  if (same != files_.end()) {
    waiter.message = fmt::format("\"{}\" serves {} already", (*same)->name(), path);
    return Outcome::fail(Status::busy);
  }
  auto file = folder_->open(path, false);
  if (!file) {
    waiter.message = std::move(file.error().message);
    return Outcome::fail(file.error().status);
  }
  opened = std::move(*file);
  return Outcome::ready();
}

Outcome Store::create_file(Waiter& waiter, std::string_view name, std::span<const std::uint8_t> columns,
                           const CreateOptions& options, const Uuid& uuid, Device*& made) {
  std::unique_ptr<io::File> opened;
  // A replay makes the part alone; the file is looked for when the store is open.
  if (!needs_replay()) {
    if (const Outcome outcome = open_file(waiter, options.path, opened); !outcome.is_ready()) return outcome;
  }
  std::unique_ptr<PoolDevice> part;
  const Outcome created = pool_->create(waiter, uuid, name, columns, options, part);
  if (!created.is_ready()) return created;
  auto device = make_file(std::move(part));
  if (opened != nullptr) device->attach(std::move(opened));
  made = enter(std::move(device));
  return created;
}

Outcome Store::make_hidden_file(Waiter& waiter, const Uuid& uuid, std::string_view name, const std::string& path,
                                std::unique_ptr<Device>& made) {
  std::unique_ptr<io::File> opened;
  if (const Outcome outcome = open_file(waiter, path, opened); !outcome.is_ready()) return outcome;
  auto part = pool_->make_hidden(uuid, name, false, 0);
  part->path_ = path;
  auto device = make_file(std::move(part));
  device->attach(std::move(opened));
  made = std::move(device);
  return Outcome::ready();
}

void Store::abandon(std::unique_ptr<Device> hidden) {
  if (hidden == nullptr || hidden->kind() != Kind::file) return;
  std::unique_ptr<FileDevice> file(static_cast<FileDevice*>(hidden.release()));
  if (!file->at_rest()) abandoned_.push_back(std::move(file));
}

void Store::give_up(Device& device, bool may_go) {
  if (device.kind() == Kind::file) static_cast<FileDevice&>(device).give_up(may_go);
}

Outcome Store::flush(Waiter& waiter, const FlushScope& scope) {
  if (pool_ == nullptr) return Outcome::ready();
  return scope.all_files || scope.file ? flush_files(waiter, scope, false) : pool_->sync(waiter);
}

Outcome Store::checkpoint(Waiter& waiter) {
  return pool_ == nullptr ? Outcome::ready() : flush_files(waiter, {.all_files = true, .file = {}}, true);
}

/// The pool waits for its part of it whatever becomes of the files; a file that fails is told in the end.
Outcome Store::flush_files(Waiter& waiter, const FlushScope& scope, bool checkpoint) {
  if (waiter.progress == nullptr) {
    auto begun = std::make_unique<FlushProgress>();
    for (const FileDevice* file : files_) {
      if (scope.all_files || file->uuid() == *scope.file) begun->tickets.emplace_back(file->uuid(), file->ticket());
    }
    waiter.progress = std::move(begun);
  }
  std::unique_ptr<Progress> progress = std::move(waiter.progress);
  auto& mine = static_cast<FlushProgress&>(*progress);
  std::erase_if(mine.tickets, [&](const auto& ticket) {
    Device* const device = find(ticket.first);
    if (device == nullptr || device->kind() != Kind::file) return true;  // deleting it has flushed it
    const Outcome flushed = static_cast<FileDevice&>(*device).flush(waiter, ticket.second);
    if (flushed.waits()) return false;
    if (!flushed.is_ready()) {
      mine.failed = flushed.status();
      mine.message = fmt::format("\"{}\": {}", device->name(), waiter.message);
    }
    return true;
  });
  // What the files have given back to the pool is part of a checkpoint, and need not be of a flush.
  Outcome outcome = Outcome::wait();
  if (mine.tickets.empty() || !checkpoint) {
    waiter.progress = std::move(mine.pool);
    outcome = checkpoint ? pool_->checkpoint(waiter) : pool_->sync(waiter);
    mine.pool = std::move(waiter.progress);
  }
  if (outcome.is_ready() && !mine.tickets.empty()) outcome = Outcome::wait();
  if (outcome.is_ready() && mine.failed != Status::ok) {
    waiter.message = mine.message;
    outcome = Outcome::fail(mine.failed);
  }
  waiter.progress = std::move(progress);
  return outcome;
}

}  // namespace chimera::devices
