#pragma once
// What makes a program durable, for all that commit.

#include <utility>

#include "bench/subject.h"
#include "cli/endpoint.h"
#include "isa/builder.h"

namespace chimera::bench {

enum class DurablePoint {
  flush,   ///< instructions of their own, and `flush device` behind them
  commit,  ///< `begin`, the instructions, `commit`
};

/// Of the argument `durable`, which is `flush` or `commit`.
[[nodiscard]] inline DurablePoint durable_point(const Arguments& arguments) {
  const std::string& text = arguments.text("durable");
  if (text != "flush" && text != "commit") fail("durable is flush or commit");
  return text == "flush" ? DurablePoint::flush : DurablePoint::commit;
}

/// A program on that device; `work` adds its instructions.
template <typename Work>
[[nodiscard]] Program make_durable(DurablePoint point, const Uuid& device, Work&& work) {
  Program program;
  if (point == DurablePoint::commit) program.begin();
  std::forward<Work>(work)(program);
  if (point == DurablePoint::commit) {
    program.commit();
  } else {
    program.flush_device(device);
  }
  return program;
}

/// Waits for all answers; each has to be ok.
inline void take_all(cli::Endpoint& client) {
  while (client.under_way() > 0) {
    const auto answer = client.receive();
    if (!answer) fail(answer.error());
    if (!answer->ok()) fail(cli::describe_failure(*answer));
  }
}

}  // namespace chimera::bench
