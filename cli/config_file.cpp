#include "cli/config_file.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <string_view>

#include "cli/commands.h"
#include "isa/nearest.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Such a name or path would end early, or do something to the terminal that it is shown on.
bool has_control_characters(std::string_view line) {
  return std::ranges::any_of(line, [](unsigned char c) { return (c < ' ' && c != '\t') || c == '\x7F'; });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

/// What an option is called in a file: its long name, or that of a positional one in small letters. Empty for those
/// that have no place there.
std::string name_in_file(const CLI::Option& option) {
  if (option.get_lnames().empty()) {
    std::string name = option.get_name(/*positional=*/true);
    std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
    return name;
  }
  const std::string& name = option.get_lnames().front();
  return name == "help" || name == "config" || name == "check-config" ? "" : name;
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }
bool may_be_repeated(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

/// Reads one file into the options of one command.
class Reader {
 public:
  Reader(CLI::App& command, const std::string& path) : path_(path) {
    for (CLI::Option* option : command.get_options()) {
      const std::string name = name_in_file(*option);
      if (!name.empty()) settings_[name] = {.option = option, .is_overruled = option->count() > 0};
    }
  }

  std::vector<std::string> read() {
    std::ifstream file(path_);
    if (!file) return {fmt::format("{}: cannot be read: {}", path_, std::strerror(errno))};
    std::string line;
    for (line_number_ = 1; std::getline(file, line); ++line_number_) {
      std::string_view text = line;
      if (line_number_ == 1 && text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
      take(trimmed(text));
    }
    if (file.bad()) return {fmt::format("{}: cannot be read: {}", path_, std::strerror(errno))};
    for (auto& [name, setting] : settings_) {
      if (setting.values.size() > 1) give(*setting.option, setting.values);
    }
    return std::move(faults_);
  }

 private:
  struct Setting {
    CLI::Option* option = nullptr;
    bool is_overruled = false;  ///< by the command line
    std::size_t first_line = 0;
    std::vector<std::string> values;
  };

  void fault(const std::string& what) { faults_.push_back(fmt::format("{}:{}: {}", path_, line_number_, what)); }

  void take(std::string_view line) {
    if (line.empty() || line.front() == '#') return;
    if (has_control_characters(line)) return fault("there is a control character in this line");
    const std::size_t equals = line.find('=');
    const std::string name(trimmed(line.substr(0, equals)));
    if (equals == std::string_view::npos || name.empty() || !is_utf8(name)) {
      return fault("this is no line like `name = value`");
    }
    std::string_view value = trimmed(line.substr(equals + 1));
    const auto found = settings_.find(name);
    if (found == settings_.end()) return refuse(name);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    } else if (value.starts_with('"')) {
      return fault(fmt::format("the value of {} begins with a double quote, and does not end with one", name));
    }
    if (value.empty()) return fault(fmt::format("{} has no value", name));
    take_value(name, found->second, std::string(value));
  }

  void refuse(const std::string& name) {
    Nearest nearest(name);
    for (const auto& [known, setting] : settings_) nearest.offer(known);
    const std::string_view meant = nearest.best();
    fault(fmt::format("there is no option {}{}", name, meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
  }

  void take_value(const std::string& name, Setting& setting, std::string value) {
    if (setting.first_line != 0 && !may_be_repeated(*setting.option)) {
      return fault(fmt::format("{} has been given in line {} already", name, setting.first_line));
    }
    setting.first_line = line_number_;
    if (is_flag(*setting.option) && value != "true" && value != "false") {
      return fault(fmt::format("{} is true or false, not \"{}\"", name, value));
    }
    if (setting.is_overruled || (is_flag(*setting.option) && value == "false")) return;
    // By itself, so that what is wrong with it is said of this line.
    if (give(*setting.option, {value})) setting.values.push_back(std::move(value));
  }

  bool give(CLI::Option& option, const std::vector<std::string>& values) {
    option.clear();
    try {
      for (const std::string& value : values) option.add_result(value);
      option.run_callback();
      return true;
    } catch (const CLI::ParseError& error) {
      std::string_view what = error.what();
      while (what.starts_with('-')) what.remove_prefix(1);
      while (what.ends_with('.')) what.remove_suffix(1);
      fault(std::string(what));
    }
    return false;
  }

  const std::string& path_;
  std::map<std::string, Setting> settings_;
  std::size_t line_number_ = 0;
  std::vector<std::string> faults_;
};

}  // namespace

void add_config_options(CLI::App& command, ConfigOptions& options) {
  command
      .add_option(
          "--config", options.path,
          "Read options from a file: `name = value` in each line, named as here without the dashes, the store as "
          "`store`; the command line overrules it")
      ->type_name("FILE")
      ->group("Configuration");
  command
      .add_flag("--check-config", options.check,
                "Only say what is wrong with that file and with this command line; status 0 if nothing is, else 2")
      ->group("Configuration");
}

std::vector<std::string> apply_config(CLI::App& command, const std::string& path) {
  return Reader(command, path).read();
}

int report_config(const std::string& path, const std::vector<std::string>& faults) {
  for (const std::string& fault : faults) fmt::print(stderr, "{}\n", fault);
  if (!faults.empty()) return exit_wrong_usage;
  fmt::print("{}: no problem\n", path);
  return exit_done;
}

}  // namespace chimera::cli
