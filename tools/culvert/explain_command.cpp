// `culvert explain FROM TO`: why a connection is, or is not, captured, allowed, and led there.
#include <fmt/format.h>

#include <memory>

#include "culvert/commands.hpp"
#include "culvert/explain_report.hpp"
#include "culvert/explain_request.hpp"
#include "culvert/output.hpp"

namespace culvert::cli {
namespace {

constexpr int kDiffers = 2;  // prediction and observation

void run(const ExplainOptions& o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return exit_with(fail(source.error()));
  const auto model = load_model(*source);
  if (!model) return exit_with(fail(model.error()));
  const auto report = make_report(o, *source, *model);
  if (!report) return exit_with(fail(report.error()));
  if (o.format == "table") {
    fmt::print("{}", report_text(*report, *model));
  } else {
    print_document(o.format, report_json(*report, *model));
  }
  exit_with(report->differences.empty() ? 0 : kDiffers);
}

// What is asked of the waypoint, if anything is.
void add_request(CLI::App* command, ExplainOptions& o) {
  command
      ->add_option("--path", o.path, "of an HTTP request, with its query: what would a waypoint do")
      ->check([](const std::string& text) {
        return text.starts_with('/') ? std::string() : "a path starts with /";
      });
  command->add_option("--method", o.method, "the request's method")->capture_default_str();
  command->add_option("--header", o.headers, "one of its headers, \"NAME: VALUE\"; may be repeated")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        return parse_header(text) ? std::string() : "write a header as NAME: VALUE";
      });
  command->add_option("--authority", o.authority, "its Host header, where it is not the service's");
}

}  // namespace

void register_explain(CLI::App& app) {
  auto o = std::make_shared<ExplainOptions>();
  CLI::App* command =
      app.add_subcommand("explain", "why a connection is captured, allowed and led where it is");
  command->add_option("from", o->from, "the pod that connects: NAMESPACE/POD")->required();
  command
      ->add_option("to", o->to,
                   "NAMESPACE/POD, a service's name in any form, or an address; with :PORT")
      ->required();
  command->add_flag("-6,--ipv6", o->prefer_v6, "mean the IPv6 address of a name");
  add_request(command, *o);
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  add_output(command, o->format);
  command->footer(
      "The result is predicted from the configuration, by the code that decides in the kernel and\n"
      "in ztunnel, and compared with the kernel's maps, with who listens, and with the newest\n"
      "connections of this kind in the access logs. Needs root.\n"
      "Exit status: 0 predicted, whatever the result; 1 it cannot be told; 2 something observed\n"
      "differs from the prediction.\n\n"
      "Examples:\n"
      "  culvert explain shop/web catalog:8080           a service of the pod's own namespace\n"
      "  culvert explain shop/web bank/vault-0:9090      a pod\n"
      "  culvert explain shop/web 10.96.0.10:80 -o yaml  an address\n"
      "  culvert explain shop/web catalog.shop.svc -6 --name demo\n"
      "  culvert explain shop/web catalog:8080 --path /v1 --header \"end-user: jason\"");
  command->callback([o] { run(*o); });
}

}  // namespace culvert::cli
