#include "waypoint/exchange/exchange.hpp"

#include "culvert/io/loop.hpp"

namespace culvert::waypoint {

Exchange::Exchange(ExchangeContext& its_context, const Arrival& its_arrival,
                   ServerExchange& its_client)
    : context(its_context),
      arrival(its_arrival),
      client(its_client),
      view(its_context.view()),
      memory(its_context.take_memory()),
      began(io::Loop::current().now()),
      record(memory->record) {}

Exchange::~Exchange() {
  record.duration = io::Loop::current().now() - began;
  context.log().ended(record);
  context.give_back(std::move(memory));
}

}  // namespace culvert::waypoint
