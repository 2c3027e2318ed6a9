// The subcommands of `culvert`, one file each; main.cpp calls them all.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "lab/problem.hpp"

namespace culvert::cli {

/// Adds `lab` with its own subcommands.
void register_lab(CLI::App& app);
void register_status(CLI::App& app);
void register_pods(CLI::App& app);
/// Adds `maps` with list, dump and programs.
void register_maps(CLI::App& app);
void register_workloads(CLI::App& app);
void register_services(CLI::App& app);
void register_policies(CLI::App& app);
void register_certs(CLI::App& app);
void register_hooks(CLI::App& app);
void register_explain(CLI::App& app);
void register_connections(CLI::App& app);
/// Adds `sockets`: what goes past ztunnel.
void register_sockets(CLI::App& app);
/// Adds `waypoint` with apply, list, status and delete.
void register_waypoint(CLI::App& app);
void register_routes(CLI::App& app);
void register_tap(CLI::App& app);
void register_completion(CLI::App& app);
/// All of the above, and what every command has: the whole tree.
void register_all(CLI::App& app);

/// Prints "culvert: TEXT" and what to do next on standard error; returns the exit status, 1.
int fail(const lab::Problem& problem);
/// A callback's way to end the program with a status other than 0.
void exit_with(int status);

}  // namespace culvert::cli
