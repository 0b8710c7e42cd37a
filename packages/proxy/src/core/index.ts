export { formatRouteChanges, nodeInternalIP, planRoutes, type RouteSet, routeProtocol } from "./route-plan.js";
export { emptyRuleSet, formatFullSync, formatIncrement, planRules, type RulePlanOptions, type RuleSet, tableName } from "./rule-plan.js";
export { type Endpoint, observeServicePorts, type Protocol, type ServicePort } from "./service-map.js";
