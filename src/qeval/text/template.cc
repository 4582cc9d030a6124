#include "qeval/text/template.h"

#include <fmt/format.h>

#include <new>

#include "qeval/text/template_eval.h"

namespace qeval {

struct Template::Impl {
  jinja::Block block;
};

namespace {

// The engine throws inside; nothing leaves this file.
template <typename F>
auto guarded(F&& f) -> Result<decltype(f())> {
  try {
    return f();
  } catch (const jinja::TemplateError& e) {
    return bad_input(e.line > 0 ? fmt::format("template line {}: {}", e.line, e.message) : "template: " + e.message);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::environment, "template: out of memory");
  } catch (const std::exception& e) {
    return fail(ErrorKind::internal, std::string("template: ") + e.what());
  }
}

}  // namespace

Result<Template> Template::compile(std::string_view source) {
  return guarded([&] {
    auto impl = std::make_shared<Impl>();
    impl->block = jinja::parse(source);
    Template out;
    out.impl_ = std::move(impl);
    return out;
  });
}

Result<std::string> Template::render(const Json& variables) const {
  if (!impl_) return fail(ErrorKind::internal, "a template was used uncompiled");
  return guarded([&] { return jinja::Evaluator(variables).render(impl_->block); });
}

Result<Json> Template::evaluate(const Json& variables) const {
  if (!impl_) return fail(ErrorKind::internal, "a template was used uncompiled");
  const jinja::Block& block = impl_->block;
  bool single = block.size() == 1 && block[0]->type == jinja::StmtType::print;
  return guarded([&] {
    jinja::Evaluator evaluator(variables);
    return single ? evaluator.value_of(*block[0]->expr) : Json(evaluator.render(block));
  });
}

}  // namespace qeval
