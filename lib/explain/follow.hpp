// The ways of one connection behind what captures it: each is followed to whoever decides about it.
// Pure. Private to lib/explain.
#pragma once

#include "culvert/explain/explain.hpp"
#include "culvert/explain/words.hpp"

namespace culvert::explain {

/// Says who gets the next connection, in turn.
using NextRoute = std::function<Result<mesh::Route>(mesh::RoundRobin&)>;
/// Whether a way is one of those that are asked about.
using WantedRoute = std::function<bool(const mesh::Route&)>;

/// As many turns as there are ways; fills branches, or `unroutable` with outcome and flag.
void follow_all(const Question& q, const NextRoute& next, const WantedRoute& wanted,
                Explanation& out);
/// What all branches agree on.
void sum_up(Explanation& out);

/// The steps of one branch in words, for `endpoint` (empty: the only one).
void branch_steps(const Question& q, const Branch& b, const std::string& endpoint,
                  std::vector<Step>& out);

}  // namespace culvert::explain
