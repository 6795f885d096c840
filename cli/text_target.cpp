#include "cli/text_target.h"

#include <span>

#include "cli/output.h"

namespace chimera::cli {

std::expected<TextTarget, std::string> TextTarget::open(const std::string& path, bool force, bool nowhere) {
  TextTarget target;
  target.is_output_ = !nowhere && path == standard_stream;
  if (nowhere || target.is_output_) return target;
  auto file = ImageFile::open_target(path, 0, force);
  if (!file) return std::unexpected(file.error());
  target.file_.emplace(std::move(*file));
  return target;
}

std::expected<bool, std::string> TextTarget::append(std::string_view text) {
  if (is_output_) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return !output_is_closed();
  }
  if (!file_) return true;
  const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  if (auto written = file_->write(offset_, bytes); !written) return std::unexpected(written.error());
  offset_ += text.size();
  return true;
}

std::expected<void, std::string> TextTarget::keep() {
  if (!file_) return {};
  if (auto synced = file_->sync(); !synced) return synced;
  return file_->keep();
}

std::expected<std::string, std::string> TextTarget::leave() {
  if (!file_) return {};
  if (auto synced = file_->sync(); !synced) return std::unexpected(synced.error());
  return file_->place_before();
}

void TextTarget::discard() {
  if (file_) file_->discard();
}

}  // namespace chimera::cli
