// `culvert completion bash|zsh|fish`: a few lines for the shell, which ask the program itself.
#include <fmt/format.h>

#include <memory>

#include "culvert/commands.hpp"

namespace culvert::cli {
namespace {

constexpr const char* kBash = R"(_culvert() {
  local IFS=$'\n'
  COMPREPLY=($(culvert __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -F _culvert culvert
)";
// A file of fpath is read at the first completion, as which it is called itself.
constexpr const char* kZsh = R"(#compdef culvert
_culvert() {
  local -a found
  found=("${(@f)$(culvert __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- "${(@)found:#}"
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _culvert "$@"
else
  compdef _culvert culvert
fi
)";
constexpr const char* kFish = R"(function __culvert_complete
  set -l words (commandline -opc) (commandline -ct)
  culvert __complete $words[2..-1] 2>/dev/null
end
complete -c culvert -f -a '(__culvert_complete)'
)";

}  // namespace

void register_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "completion of this program for a shell");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "It completes commands, options, labs, nodes, pods, services and maps; the names are those\n"
      "of the moment.\n\n"
      "Examples:\n"
      "  source <(culvert completion bash)\n"
      "  culvert completion zsh >\"${fpath[1]}/_culvert\"\n"
      "  culvert completion fish >~/.config/fish/completions/culvert.fish");
  command->callback([shell] {
    fmt::print("{}", *shell == "bash" ? kBash : *shell == "zsh" ? kZsh : kFish);
  });
}

}  // namespace culvert::cli
