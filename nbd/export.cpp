#include "nbd/export.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "isa/text.h"

namespace chimera::nbd {
namespace {

bool is_of_snapshot(const std::string& name) { return name.contains('@'); }

}  // namespace

ExportSearch::ExportSearch(vm::Machine& machine, const Options& options, std::string wanted,
                           std::function<void()> changed)
    : Errand(machine), options_(options), wanted_(std::move(wanted)), changed_(std::move(changed)) {
  ask(wanted_.empty() ? Stage::only_one : Stage::by_name);
}

void ExportSearch::ask(Stage stage) {
  stage_ = stage;
  asked_.clear();
  switch (stage) {
    case Stage::only_one: asked_.list_devices("", "", 2); break;
    case Stage::by_name: asked_.open_device(wanted_); break;
    case Stage::by_uuid: asked_.select_device(*parse_uuid(wanted_)); break;
    case Stage::create: asked_.create_device(wanted_, "", fmt::format("size={}", *options_.create_size)); break;
  }
  // The length of a file tells whether it can be served.
  if (stage != Stage::only_one) asked_.read_length().describe_device();
  run(asked_);
}

bool ExportSearch::proceed() {
  if (is_running()) return false;
  const std::vector<Answer> answers = parse_answers(asked_, this->answers());
  return stage_ == Stage::only_one ? take_list(answers.at(0)) : take_description(answers);
}

bool ExportSearch::take_list(const Answer& answer) {
  if (!answer.ok()) return refuse(answer);
  const std::vector<ListedDevice> devices = devices_of(answer);
  if (devices.size() != 1) {
    return refuse(OptionReply::unknown,
                  devices.empty() ? "the store has no device" : "the store has several devices: name one of them");
  }
  wanted_ = devices[0].name;
  take();
  ask(Stage::by_name);
  return false;
}

bool ExportSearch::take_description(const std::vector<Answer>& answers) {
  const Answer& reached = answers.at(0);
  const Answer& length = answers.at(1);
  const Answer& description = answers.at(2);
  if (reached.status == Status::not_found && stage_ == Stage::by_name && parse_uuid(wanted_)) {
    take();
    ask(Stage::by_uuid);
    return false;
  }
  if (reached.status == Status::not_found && stage_ == Stage::by_name && may_create()) {
    take();
    ask(Stage::create);
    return false;
  }
  if (reached.status == Status::exists && stage_ == Stage::create) {
    take();
    ask(Stage::by_name);  // another client was first
    return false;
  }
  const Answer& failed = !reached.ok() ? reached : !length.ok() ? length : description;
  if (!failed.ok()) return refuse(failed);
  const auto device = nlohmann::json::parse(text_of(description));
  found_ = Export{.device = *parse_uuid(device.at("uuid").get<std::string>()),
                  .name = device.at("name"),
                  .kind = device.at("kind"),
                  .size = device.at("length"),
                  .is_read_only = options_.read_only || device.at("read_only")};
  found_->is_read_only = found_->is_read_only || is_of_snapshot(found_->name);
  take();
  return true;
}

ExportList::ExportList(vm::Machine& machine, std::function<void()> changed)
    : Errand(machine), changed_(std::move(changed)) {
  ask("");
}

void ExportList::ask(const std::string& after) {
  asked_.clear();
  asked_.list_devices("", after, page);
  run(asked_);
}

std::optional<std::vector<std::string>> ExportList::take_page() {
  const std::vector<Answer> answers = parse_answers(asked_, this->answers());
  if (!answers.at(0).ok()) return std::nullopt;
  std::vector<std::string> names;
  for (const ListedDevice& device : devices_of(answers[0])) names.emplace_back(device.name);
  take();
  if (names.size() == page) ask(names.back());
  return names;
}

bool ExportSearch::may_create() const {
  return options_.create_size && !options_.read_only && !is_of_snapshot(wanted_);
}

bool ExportSearch::refuse(const Answer& failed) {
  const bool is_ending = failed.status == Status::shutting_down;
  return refuse(is_ending ? OptionReply::shutdown : OptionReply::unknown, std::string(failed.message));
}

bool ExportSearch::refuse(OptionReply why, std::string message) {
  refusal_ = why;
  message_ = std::move(message);
  take();
  return true;
}

}  // namespace chimera::nbd
