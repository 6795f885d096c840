#include "cli/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "cli/manual_prose.h"
#include "cli/roff.h"
#include "isa/reference.h"

namespace chimera::cli {
namespace {

struct Foot {
  std::string version, date;
};

std::string heading(const std::string& name, int section, const Foot& foot, std::string_view what) {
  std::string capitals = name;
  std::ranges::transform(capitals, capitals.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return fmt::format(
      ".\\\" Made by the program itself from its own tables.\n.TH {} {} \"{}\" \"{}\" \"Chimera\"\n"
      ".SH NAME\n{} \\- {}\n",
      roff_text(capitals), section, foot.date, roff_text(foot.version), roff_text(name), roff_text(what));
}

/// Help is written as it stands in `--help`, where sentences end without a full stop.
std::string sentence(const std::string& help) {
  return roff_text(help) + (help.empty() || help.ends_with('.') ? "" : ".");
}

/// `STORE|ADDRESS`, with the words to be replaced stressed and those to be chosen from as they are.
std::string value_text(const std::string& value) {
  std::string text;
  for (const std::string& choice : choices_of(value)) {
    const bool is_word = std::ranges::any_of(choice, [](char c) { return c >= 'a' && c <= 'z'; });
    text += (text.empty() ? "" : "|") + (is_word ? roff_bold(choice) : roff_italic(choice));
  }
  return text;
}

std::string synopsis(const CommandTable& program, const CommandRow& command) {
  std::string line = roff_bold(program.name + " " + command.name) + " [" + roff_italic("options") + "]";
  for (const OptionRow& operand : command.operands) {
    const std::string value = value_text(operand.value) + (operand.is_repeated ? " ..." : "");
    line += operand.is_required ? " " + value : " [" + value + "]";
  }
  return ".SH SYNOPSIS\n" + line + "\n";
}

std::string option_entry(const OptionRow& row) {
  std::string tag;
  for (const std::string& name : row.names) tag += (tag.empty() ? "" : ", ") + roff_bold(name);
  if (!row.value.empty()) tag += (tag.empty() ? "" : " ") + value_text(row.value);
  return fmt::format(".TP\n{}\n{}\n", tag, sentence(row.help));
}

std::string options_section(const CommandRow& command) {
  std::string text;
  if (!command.operands.empty()) text += ".SH OPERANDS\n";
  for (const OptionRow& row : command.operands) text += option_entry(row);
  // In their groups, the usual one first.
  std::vector<std::string> groups;
  for (const OptionRow& row : command.options) {
    if (std::ranges::find(groups, row.group) == groups.end()) groups.push_back(row.group);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    text += i == 0 ? ".SH OPTIONS\n" : fmt::format(".SS {}\n", roff_text(groups[i]));
    for (const OptionRow& row : command.options) {
      if (row.group == groups[i]) text += option_entry(row);
    }
  }
  return text;
}

std::string paragraphs(const std::string& prose) {
  std::string text;
  bool is_new = true;
  for (std::size_t at = 0; at < prose.size();) {
    const std::size_t end = std::min(prose.find('\n', at), prose.size());
    const std::string_view line = std::string_view(prose).substr(at, end - at);
    if (!line.empty() && is_new) text += ".PP\n";
    if (!line.empty()) text += roff_text(line) + '\n';
    is_new = line.empty();
    at = end + 1;
  }
  return text;
}

std::string examples_section(const CommandRow& command) {
  if (command.examples.empty()) return {};
  std::string lines;
  for (const std::string& line : command.examples) lines += line + '\n';
  return ".SH EXAMPLES\n" + roff_literal(lines);
}

/// References to other pages, in their order.
std::string see_also(const std::vector<std::string>& pages) {
  std::string text = ".SH SEE ALSO\n";
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const std::size_t at = pages[i].find('(');
    text += fmt::format(".BR {} {}{}\n", roff_text(pages[i].substr(0, at)), pages[i].substr(at),
                        i + 1 < pages.size() ? " ," : "");
  }
  return text;
}

/// `chimera-table-insert`.
std::string page_name(const CommandTable& program, const CommandRow& command) {
  std::string name = program.name + "-" + command.name;
  std::ranges::replace(name, ' ', '-');
  return name;
}

ManualPage command_page(const CommandTable& program, const CommandRow& command, const Foot& foot) {
  ManualPage page{.name = page_name(program, command), .section = 1};
  page.text = heading(page.name, 1, foot, command.help);
  page.text += synopsis(program, command);
  page.text += ".SH DESCRIPTION\n" + sentence(command.help) + "\n" + paragraphs(command.prose);
  page.text += options_section(command);
  if (command.name == "serve") page.text += roff_of_markdown(manual_prose::serve);
  page.text += roff_of_markdown(manual_prose::common);
  page.text += examples_section(command);
  page.text += see_also({program.name + "(1)", program.name + "-isa(7)"});
  return page;
}

/// What there is in a group or the program, and the names of its pages.
std::string list_of(const CommandTable& program, const std::vector<CommandRow>& commands,
                    std::vector<std::string>& pages) {
  std::string text = ".SH COMMANDS\n";
  for (const CommandRow& command : commands) {
    text += fmt::format(".TP\n{}\n{}\n", roff_bold(command.last_name()), sentence(command.help));
    pages.push_back(page_name(program, command) + "(1)");
  }
  std::ranges::sort(pages);
  return text;
}

ManualPage group_page(const CommandTable& program, const CommandRow& group, const Foot& foot) {
  ManualPage page{.name = page_name(program, group), .section = 1};
  page.text = heading(page.name, 1, foot, group.help);
  page.text += fmt::format(".SH SYNOPSIS\n{} {} [{}]\n", roff_bold(program.name + " " + group.name),
                           roff_italic("command"), roff_italic("options"));
  page.text += ".SH DESCRIPTION\n" + sentence(group.help) + "\n" + paragraphs(group.prose);
  std::vector<std::string> pages;
  page.text += list_of(program, group.commands, pages);
  page.text += roff_of_markdown(manual_prose::common);
  pages.push_back(program.name + "(1)");
  page.text += see_also(pages);
  return page;
}

void add_pages(const CommandTable& program, const std::vector<CommandRow>& commands, const Foot& foot,
               std::vector<ManualPage>& pages) {
  for (const CommandRow& command : commands) {
    pages.push_back(command.is_group() ? group_page(program, command, foot) : command_page(program, command, foot));
    add_pages(program, command.commands, foot, pages);
  }
}

ManualPage program_page(const CommandTable& program, const Foot& foot) {
  ManualPage page{.name = program.name, .section = 1};
  page.text = heading(page.name, 1, foot, program.help.substr(program.help.find(": ") + 2));
  page.text +=
      fmt::format(".SH SYNOPSIS\n{0} {1} [{2}]\n.br\n{0} {3}\n", roff_bold(program.name), roff_italic("command"),
                  roff_italic("options"), roff_bold("--help") + "|" + roff_bold("--version"));
  page.text += ".SH DESCRIPTION\n" + roff_of_markdown(manual_prose::description);
  std::vector<std::string> pages;
  page.text += list_of(program, program.commands, pages);
  page.text += ".SH OPTIONS\n";
  for (const OptionRow& row : program.options) page.text += option_entry(row);
  page.text += roff_of_markdown(manual_prose::common);
  page.text += roff_of_markdown(manual_prose::program);
  pages.push_back(program.name + "-isa(7)");
  page.text += see_also(pages);
  return page;
}

ManualPage instruction_set_page(const CommandTable& program, const Foot& foot) {
  ManualPage page{.name = program.name + "-isa", .section = 7};
  page.text = heading(page.name, 7, foot, "the instruction set of Chimera");
  page.text += ".SH DESCRIPTION\n" + roff_of_markdown(reference_markdown());
  page.text += see_also({program.name + "(1)", program.name + "-asm(1)", program.name + "-isa(1)"});
  return page;
}

}  // namespace

std::string ManualPage::file_name() const { return fmt::format("{}.{}", name, section); }

std::vector<ManualPage> manual_pages(const CommandTable& table, const std::string& version, const std::string& date) {
  const Foot foot{table.name + " " + version, date};
  std::vector<ManualPage> pages{program_page(table, foot), instruction_set_page(table, foot)};
  add_pages(table, table.commands, foot, pages);
  return pages;
}

}  // namespace chimera::cli
