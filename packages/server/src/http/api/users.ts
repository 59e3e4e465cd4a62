/** `POST /v1/users`: sign up. */
import { z } from "zod";
import type { SignUp, SignUpResult } from "../../signin/sign-up.ts";
import type { Throttle } from "../../throttle/throttle.ts";
import { problem } from "../problem.ts";
import { json, type Reply } from "../reply.ts";
import { open, type Route } from "../route.ts";
import { identifier, name, password } from "./fields.ts";
import { userSchema, userView } from "./views.ts";

export function signUpRoute(services: { signUp: SignUp; throttle: Throttle; signup: "open" | "closed" }): Route {
  return open(
    {
      method: "POST",
      path: "/v1/users",
      group: "Users",
      summary: "Sign up",
      body: z.strictObject({ identifier, password, name: name.optional() }),
      answer: { status: 201, schema: z.object({ user: userSchema }), says: "The account was made." },
      problems: ["forbidden", "identifier_taken", "weak_password", "rate_limited", "overloaded"],
    },
    async ({ body, cause, network }) => {
      if (services.signup === "closed") return problem("forbidden", { detail: "Sign-up is closed on this server." });
      // It must tell that a name is taken, so what one address may ask is limited (ASVS 6.3.8).
      const admission = await services.throttle.admit("sign_ups_of_address", network);
      if (!admission.allowed) return problem("rate_limited", { retryAfter: admission.retryAfter });
      admission.permit.keep();
      const wish = { identifier: body.identifier, password: body.password, name: body.name ?? null, roles: [] };
      return answerSignUp(await services.signUp(wish, cause));
    },
  );
}

export function answerSignUp(result: SignUpResult): Reply {
  if (result.ok) return json(201, { user: userView(result.user) });
  switch (result.code) {
    case "invalid_identifier":
      return problem("validation_failed", {
        members: { faults: [{ pointer: "/identifier", detail: result.message }] },
      });
    case "weak_password":
      return problem("weak_password", { detail: result.message, members: { reason: result.reason } });
    case "overloaded":
      return problem("overloaded", { retryAfter: result.retryAfter });
    case "identifier_taken":
      return problem("identifier_taken");
  }
}
