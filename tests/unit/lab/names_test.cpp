// Names that end up on the machine: bounded, distinct, and safe as parts of paths.
#include "lab/names.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace culvert::lab;

TEST_CASE("a lab's name is short, lower case, and cannot leave its folder") {
  for (const char* good : {"a", "default", "lab-1", "n", "1", "plan-b"})
    CHECK(check_lab_name(good));
  for (const char* bad :
       {"", "-a", "a-", "A", "a/b", "..", "a.b", "a b", "abcdefghijklmnopqrstuvwxyz1234567"})
    CHECK_FALSE(check_lab_name(bad));
}

TEST_CASE("no two labs can mean the same netns") {
  // cv-a-n-b would be node b of lab a, or a netns of lab a-n.
  for (const char* bad : {"a-n", "a-p", "a-n-b", "a-p-b"}) CHECK_FALSE(check_lab_name(bad));
  CHECK(LabNames("a").owns_netns("cv-a-fabric"));
  CHECK(LabNames("a").owns_netns("cv-a-p-shop-web"));
  CHECK_FALSE(LabNames("a").owns_netns("cv-a-b-fabric"));
  CHECK_FALSE(LabNames("a").owns_netns("cv-ab-fabric"));
  CHECK_FALSE(LabNames("a").owns_netns("other"));
}

TEST_CASE("interface names fit the kernel's 15 characters and differ by their owner") {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = interface_name("p", "shop/web-" + std::to_string(i));
    CHECK(name.size() <= kInterfaceNameMax);
    CHECK(seen.insert(name).second);
  }
  CHECK(interface_name("toolong", "x").size() <= kInterfaceNameMax);
}

TEST_CASE("long names are cut and stay distinct") {
  const std::string a(300, 'a');
  CHECK(bounded_name("short") == "short");
  CHECK(bounded_name(a).size() == kFileNameMax);
  CHECK(bounded_name(a + "1") != bounded_name(a + "2"));
}

TEST_CASE("an object's name that could leave a path is not safe") {
  CHECK(is_path_safe("web-1.example"));
  for (const char* bad : {"", ".", "..", "a/b", "-a", ".a", "a b", "a\n"})
    CHECK_FALSE(is_path_safe(bad));
  CHECK_FALSE(is_path_safe(std::string(254, 'a')));
}
