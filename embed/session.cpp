#include "embed/session.h"

#include "embed/store.h"
#include "include/chimera.h"

namespace chimera::embed {

bool Session::send(CheckedProgram::Bytes program, void* tag, bool waited_for) {
  if (waited_for) awaited_.reset();
  const ProgramRun& run = under_way_.emplace_back(std::move(program), tag, waited_for);
  return store_.amid_operation([&] { return stream_->send(run.program()); });
}

void Session::finish_front(std::list<Finished>& finished) {
  ProgramRun& front = under_way_.front();
  if (front.waited_for()) {
    awaited_ = std::move(front);
  } else {
    finished.push_back({this, std::move(front)});
  }
  under_way_.pop_front();
}

void Session::lose(std::string why, std::list<Finished>& finished) {
  lost_ = std::move(why);
  while (!under_way_.empty()) {
    under_way_.front().give_up(CHIMERA_E_LOST, *lost_);
    finish_front(finished);
  }
}

void Session::collect(std::list<Finished>& finished) {
  if (lost_ || stream_ == nullptr) return;
  while (!under_way_.empty()) {
    const auto taken = under_way_.front().take(stream_->answers());
    if (!taken) return lose("What came back is no answer: is a Chimera server there?", finished);
    stream_->take(*taken);
    if (!under_way_.front().is_done()) break;
    finish_front(finished);
  }
  if (under_way_.empty() && !stream_->answers().empty())
    return lose("Something was answered that nobody asked.", finished);
  if (under_way_.empty()) return;
  if (auto why = stream_->broken_off()) lose(std::move(*why), finished);
}

}  // namespace chimera::embed
