/** The table of routes: everything this server answers, in one list. */
import type { ClientAction } from "../admin/clients.ts";
import type { WebhookAction } from "../admin/webhooks.ts";
import type { AuditStore } from "../audit/store.ts";
import type { ClientStore } from "../clients/store.ts";
import type { Feed } from "../feed/feed.ts";
import type { Keyring } from "../keys/keyring.ts";
import type { SessionStore } from "../sessions/store.ts";
import type { LogInAction } from "../signin/log-in.ts";
import type { PasswordAction } from "../signin/password.ts";
import type { RefreshAction } from "../signin/refresh.ts";
import type { SignUp } from "../signin/sign-up.ts";
import type { StatusLists } from "../status/lists.ts";
import type { UserStore } from "../users/store.ts";
import type { WebhookStore } from "../webhooks/store.ts";
import { adminAuditRoute } from "./api/admin-audit.ts";
import { adminClientRoutes } from "./api/admin-clients.ts";
import { adminKeyRoutes } from "./api/admin-keys.ts";
import { adminSessionRoutes } from "./api/admin-sessions.ts";
import { adminSsfRoutes } from "./api/admin-ssf.ts";
import { adminReceiverRoutes, type ReceiverServices } from "./api/admin-ssf-receivers.ts";
import { adminUserRoutes } from "./api/admin-users.ts";
import { adminWebhookRoutes } from "./api/admin-webhooks.ts";
import { discoveryRoutes } from "./api/discovery.ts";
import { feedRoutes, ticketRoutes } from "./api/feed.ts";
import { logInRoute, type SessionRouteOptions } from "./api/log-in.ts";
import { meRoutes } from "./api/me.ts";
import { type OAuthServices, oauthRoutes } from "./api/oauth.ts";
import { type OperationsServices, operationsRoutes } from "./api/operations.ts";
import { pageRoutes } from "./api/pages.ts";
import { refreshRoute } from "./api/refresh.ts";
import { type RevocationServices, revocationRoutes } from "./api/revocations.ts";
import { sessionRoutes } from "./api/sessions.ts";
import { type SsfOptions, type SsfServices, ssfRoutes } from "./api/ssf.ts";
import { type EventServices, eventRoute } from "./api/ssf-events.ts";
import { statusListRoutes } from "./api/status-lists.ts";
import { signUpRoute } from "./api/users.ts";
import { openApi } from "./openapi.ts";
import { text } from "./reply.ts";
import { open, type Route } from "./route.ts";

export interface RouteServices
  extends OperationsServices,
    RevocationServices,
    OAuthServices,
    SsfServices,
    EventServices,
    ReceiverServices {
  readonly feed: Feed;
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly clients: ClientStore;
  readonly audit: AuditStore;
  readonly keyring: Keyring;
  readonly signUp: SignUp;
  readonly logIn: LogInAction;
  readonly refresh: RefreshAction;
  readonly passwords: PasswordAction;
  readonly clientAction: ClientAction;
  readonly webhooks: WebhookStore;
  readonly webhookAction: WebhookAction;
  readonly statusLists: StatusLists;
}

export interface RouteOptions extends SessionRouteOptions {
  readonly issuer: string;
  readonly signup: "open" | "closed";
  readonly version: string;
  readonly ssf: SsfOptions;
  /** Whether tokens name status lists. */
  readonly listed: boolean;
}

export function createRoutes(services: RouteServices, options: RouteOptions): readonly Route[] {
  const api: readonly Route[] = [
    signUpRoute({ ...services, signup: options.signup }),
    logInRoute(services, options),
    refreshRoute(services, options),
    ...sessionRoutes(services, options.base),
    ...meRoutes(services),
    ...revocationRoutes(services),
    ...feedRoutes(services.feed),
    ...ticketRoutes(services.feed),
    ...oauthRoutes(services),
    ...ssfRoutes(services, options.ssf),
    eventRoute(services),
    ...adminUserRoutes(services),
    ...adminSessionRoutes(services),
    ...adminKeyRoutes(services, options.now),
    ...adminClientRoutes(services.clients, services.clientAction),
    ...adminWebhookRoutes(services),
    ...adminSsfRoutes(services, options.ssf),
    ...adminReceiverRoutes(services, options.now),
    adminAuditRoute(services.audit),
    ...discoveryRoutes(services.keyring, options.issuer, options.listed),
    ...statusListRoutes(services.statusLists),
    ...operationsRoutes(services),
  ];
  let document: string | undefined;
  const description: Route = open(
    {
      method: "GET",
      path: "/openapi.json",
      group: "Operations",
      summary: "This API as OpenAPI 3.1",
      answer: { status: 200, schema: null, says: "OpenAPI 3.1." },
    },
    async () => {
      document ??= JSON.stringify(openApi([...api, description], options));
      return text(document, { "content-type": "application/json", "access-control-allow-origin": "*" });
    },
  );
  const described = [...api, description];
  return [...described, ...pageRoutes(described, options)];
}
