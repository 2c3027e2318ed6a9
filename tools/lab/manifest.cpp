#include "lab/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>

#include "culvert/base/fd.hpp"
#include "culvert/config/parse.hpp"
#include "lab/objects.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

bool is_separator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ' || line[3] == '\r');
}

bool is_empty(std::string_view text) {
  bool comment = false;
  for (const char c : text) {
    if (c == '\n')
      comment = false;
    else if (c == '#')
      comment = true;
    else if (!comment && c != ' ' && c != '\t' && c != '\r')
      return false;
  }
  return true;
}

// Calls f(line without its newline, offset) for each line.
template <class F>
void each_line(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    f(text.substr(at, end - at), at);
    at = end + 1;
  }
}

// Errors in the objects that the lab runs, and in the YAML itself. Those of other objects are
// control's to report: it keeps their last good state.
Diagnostics lab_errors(const SourceFile& file) {
  Diagnostics out;
  for (Diagnostic& d : config::parse_file(file.path, file.text).diagnostics) {
    const std::string_view kind = std::string_view(d.object).substr(0, d.object.find(' '));
    const bool ours = d.object.empty() || kind == "Namespace" || Document::lab_owns(kind);
    if (ours && d.severity == Diagnostic::Severity::kError) out.push_back(std::move(d));
  }
  return out;
}

void add_document(Manifest& out, Diagnostics& problems, const Document& document,
                  const std::string& folder) {
  const auto keep = [&](auto&& read, auto& list) {
    if (read)
      list.push_back(std::move(*read));
    else
      problems.push_back(std::move(read.error()));
  };
  if (document.kind == "Node") {
    keep(read_node(document), out.nodes);
  } else if (document.kind == "Namespace") {
    keep(read_namespace(document), out.namespaces);
  } else if (document.kind == "Service") {
    keep(read_service(document), out.services);
  } else if (document.kind == "Pod") {
    keep(read_pod(document), out.pods);
    if (!out.pods.empty()) out.pods.back().folder = folder;
  } else if (document.kind == "Gateway" || document.kind == "GatewayClass") {
    read_gateway(document, folder, out);
  } else if (document.kind == "Deployment") {
    auto pods = read_deployment(document);
    if (!pods) {
      problems.push_back(std::move(pods.error()));
      return;
    }
    for (Pod& pod : *pods) {
      pod.folder = folder;
      out.pods.push_back(std::move(pod));
    }
  }
}

Diagnostic twice(const std::string& file, int line, const std::string& object,
                 const std::string& first) {
  return {.file = file,
          .line = line,
          .column = 1,
          .object = object,
          .field = "metadata.name",
          .reason = fmt::format("this object is defined already, at {}", first)};
}

void find_duplicates(Manifest& out) {
  std::map<std::string, std::string> seen;
  for (const Document& d : out.documents) {
    const auto [at, fresh] = seen.emplace(d.key(), fmt::format("{}:{}", d.file, d.line));
    if (!fresh) out.problems.push_back(twice(d.file, d.line, d.key(), at->second));
  }
  std::map<std::string, std::string> pods;
  for (const Pod& p : out.pods) {
    const auto [at, fresh] = pods.emplace(p.key(), fmt::format("{}:{}", p.file, p.line));
    const bool same_document = at->second == fmt::format("{}:{}", p.file, p.line);
    if (!fresh && !same_document)
      out.problems.push_back(twice(p.file, p.line, "Pod " + p.key(), at->second));
  }
}

}  // namespace

Outcome<SourceFile> read_source(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (path == "-") {
    std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    return SourceFile{"-", fs::current_path(ignored).string(), std::move(text)};
  }
  auto text = culvert::read_file(path, kManifestBytesMax);
  if (!text) {
    if (fs::is_directory(path, ignored))
      return problem(path + " is a directory", "name its files: -f DIR/*.yaml");
    return problem(fmt::format("{}: {}", path, text.error().to_string()),
                   "give an existing YAML file to -f");
  }
  return SourceFile{path, fs::absolute(path, ignored).parent_path().string(), std::move(*text)};
}

std::vector<Document> split_documents(const SourceFile& file) {
  std::vector<Document> out;
  Document current{.file = file.path};
  const auto finish = [&] {
    if (!is_empty(current.text)) out.push_back(current);
  };
  int line_number = 0;
  each_line(file.text, [&](std::string_view line, std::size_t) {
    ++line_number;
    if (!is_separator(line)) {
      current.text += std::string(line) + "\n";
      return;
    }
    finish();
    current = Document{.file = file.path, .line = line_number + 1};
  });
  finish();
  return out;
}

Manifest read_manifest(const std::vector<SourceFile>& files) {
  Manifest out;
  for (const SourceFile& file : files) {
    Diagnostics errors = lab_errors(file);
    const bool good = errors.empty();
    out.problems.insert(out.problems.end(), errors.begin(), errors.end());
    Diagnostics own;
    for (Document& document : split_documents(file)) {
      if (auto bad = read_header(document); bad) {
        own.push_back(std::move(*bad));
        continue;
      }
      add_document(out, own, document, file.folder);
      out.documents.push_back(std::move(document));
    }
    // What the lab itself cannot run comes after what no cluster would take.
    if (good) out.problems.insert(out.problems.end(), own.begin(), own.end());
  }
  find_duplicates(out);
  return out;
}

std::string blank_document(const std::string& text, const Document& document) {
  const auto lines = std::ranges::count(document.text, '\n');
  std::string out;
  int number = 0;
  each_line(text, [&](std::string_view line, std::size_t) {
    ++number;
    if (number < document.line || number >= document.line + lines) out += line;
    out += '\n';
  });
  return out;
}

Problem manifest_problem(const Diagnostics& diagnostics) {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, diagnostics.size()); ++i)
    text += (text.empty() ? "" : "\n") + diagnostics[i].to_string();
  if (diagnostics.size() > kShown)
    text += fmt::format("\nand {} more", diagnostics.size() - kShown);
  return {text, "correct the manifest and run the command again"};
}

}  // namespace culvert::lab
