"""The solvers that a spec can name, as data: coefficients, orders and options."""

from __future__ import annotations

from fractions import Fraction

from mai.compiler.ir.graph import Node
from mai.compiler.ir.structure import Integrate
from mai.spec.record import record

Row = tuple[Fraction, ...]


@record
class Tableau:
    """An explicit Runge-Kutta method (Butcher 1964): stage i is at time c_i and starts from sum_j a_ij k_j.

    An embedded pair has `error`, b less the weights of its other order; its last stage is the next step's first. At a part p
    of a step the state is y + h sum_i (d_i1 p + d_i2 p^2 + ...) k_i, with a row of `dense` for each stage.
    """

    a: tuple[Row, ...]
    b: Row
    c: Row
    error: Row = ()
    dense: tuple[Row, ...] = ()


@record
class Adams:
    """An Adams-Bashforth method: y + h sum_j b_j f_{n-j}, one new velocity a step."""

    b: Row


@record
class Rosenbrock:
    """A Rosenbrock method (Hairer and Wanner II, IV.7), in the variables in which its last part is its error.

    (I / gamma - h J) k_i = h f(t + c_i h, y + sum_j a_ij k_j) + sum_j e_ij k_j + d_i h^2 df/dt. A step ends at the last stage's
    states plus the last k. At a part p of it the state is that of the line between both ends and p (1 - p) (q_1 + p q_2 + ...)
    beside, with q_i = sum_j dense_ij k_j.
    """

    gamma: Fraction
    a: tuple[Row, ...]
    e: tuple[Row, ...]
    c: Row
    d: Row
    dense: tuple[Row, ...]

    @property
    def error_weight(self) -> float:
        """The sum of the absolute weights that velocities have in the last k, where J is nothing."""
        gamma, count = float(self.gamma), len(self.c)
        weights: list[list[float]] = []
        for i, row in enumerate(self.e):
            own = [gamma * sum(float(e) * w[j] for e, w in zip(row, weights, strict=True)) for j in range(count)]
            own[i] += gamma
            weights.append(own)
        return sum(map(abs, weights[-1]))


@record
class Milstein:
    """Milstein's method: Euler's and Maruyama's step, and half of what the noise makes of its own factor."""

    b: Row


@record
class Additive:
    """A stochastic Runge-Kutta method for noise whose factor reads no state (Rößler 2010, scheme 6.2, "SRA").

    Stage i is at time c_i and starts from sum_j a_ij f_j h + sum_j d_ij g_j I / h; g_j is the factor at time e_j and I the integral of
    the noise over the step. Then y + sum_i b_i f_i h + sum_j g_j (p_j dB + q_j I / h).
    """

    a: tuple[Row, ...]
    b: Row
    c: Row
    d: tuple[Row, ...]
    e: Row
    p: Row
    q: Row


Rule = Tableau | Adams | Milstein | Additive | Rosenbrock


@record
class Solver:
    """A method by name: its order, its coefficients, where it is from, and how `mai tune` draws it.

    `adjoint` is the method of torchdiffeq that goes back in time for it. `options` are in the order in which a call may give
    them without a name. `look` is the colour and the marker of its line.

    Of a stochastic method `order` is that without noise; `draws` is how many normal numbers it draws a step for each number of a noise,
    and `noise` says its orders with noise.
    """

    name: str
    order: int
    rule: Rule
    reference: str
    look: tuple[str, str]
    adjoint: str = ""
    options: tuple[str, ...] = ()
    draws: int = 0
    noise: str = ""

    @property
    def stochastic(self) -> bool:
        """Whether it takes increments, with noise."""
        return self.draws > 0

    @property
    def adaptive(self) -> bool:
        """Whether it chooses its steps."""
        return self.implicit or (isinstance(self.rule, Tableau) and bool(self.rule.error))

    @property
    def implicit(self) -> bool:
        """Whether its steps solve equations with the velocity's derivatives."""
        return isinstance(self.rule, Rosenbrock)

    @property
    def plannable(self) -> bool:
        """Whether `mai tune` may choose it: its number of steps is known, and it draws nothing."""
        return not (self.adaptive or self.stochastic)


DEFAULTS: dict[str, float | bool] = {"rtol": 1e-4, "atol": 1e-6, "max_steps": 1000, "adjoint": False}


def _row(*numbers: int | str) -> Row:
    return tuple(Fraction(n) for n in numbers)


# The weights of the fourth order are Shampine's (1986), whose error is two thirds of Dormand's and Prince's.
_DOPRI5_B = _row("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84")
_DOPRI5 = Tableau(
    (
        (),
        _row("1/5"),
        _row("3/40", "9/40"),
        _row("44/45", "-56/15", "32/9"),
        _row("19372/6561", "-25360/2187", "64448/6561", "-212/729"),
        _row("9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"),
        _DOPRI5_B,
    ),
    (*_DOPRI5_B, Fraction(0)),
    _row(0, "1/5", "3/10", "4/5", "8/9", 1, 1),
    _row("71/86400", 0, "-142/50085", "71/2880", "-5751/169600", "44/1575", "-1/60"),
    # Of order four (Shampine 1986), with a continuous derivative.
    (
        _row(1, "-8048581381/2820520608", "8663915743/2820520608", "-12715105075/11282082432"),
        _row(0, 0, 0, 0),
        _row(0, "131558114200/32700410799", "-68118460800/10900136933", "87487479700/32700410799"),
        _row(0, "-1754552775/470086768", "14199869525/1410260304", "-10690763975/1880347072"),
        _row(0, "127303824393/49829197408", "-318862633887/49829197408", "701980252875/199316789632"),
        _row(0, "-282668133/205662961", "2019193451/616988883", "-1453857185/822651844"),
        _row(0, "40617522/29380423", "-110615467/29380423", "69997945/29380423"),
    ),
)

# Tsitouras 2011, as he prints it.
_TSIT5_B = _row(
    "0.09646076681806523", "0.01", "0.4798896504144996", "1.379008574103742", "-3.290069515436081", "2.324710524099774"
)
_TSIT5 = Tableau(
    (
        (),
        _row("0.161"),
        _row("-0.008480655492356989", "0.335480655492357"),
        _row("2.8971530571054935", "-6.359448489975075", "4.3622954328695815"),
        _row("5.325864828439257", "-11.748883564062828", "7.4955393428898365", "-0.09249506636175525"),
        _row("5.86145544294642", "-12.92096931784711", "8.159367898576159", "-0.071584973281401", "-0.028269050394068383"),
        _TSIT5_B,
    ),
    (*_TSIT5_B, Fraction(0)),
    _row(0, "0.161", "0.327", "0.9", "0.9800255409045097", 1, 1),
    _row(
        "-0.00178001105222577714", "-0.0008164344596567469", "0.007880878010261995", "-0.1447110071732629",
        "0.5823571654525552", "-0.45808210592918697", "1/66",
    ),
    # Of order four.
    (
        _row(1, "-2.763706197274826", "2.9132554618219126", "-1.0530884977290216"),
        _row(0, "0.1317", "-0.2234", "0.1017"),
        _row(0, "3.9302962368947516", "-5.941033872131505", "2.490627285651253"),
        _row(0, "-12.411077166933676", "30.33818863028232", "-16.548102889244902"),
        _row(0, "37.50931341651104", "-88.1789048947664", "47.37952196281928"),
        _row(0, "-27.896526289197286", "65.09189467479366", "-34.87065786149661"),
        _row(0, "1.5", "-4", "2.5"),
    ),
)  # fmt: skip

_BOSH3 = Tableau(
    ((), _row("1/2"), _row(0, "3/4"), _row("2/9", "1/3", "4/9")),
    _row("2/9", "1/3", "4/9", 0),
    _row(0, "1/2", "3/4", 1),
    _row("-5/72", "1/12", "1/9", "-1/8"),
    # The cubic through both ends and the velocities there.
    (_row(1, "-4/3", "5/9"), _row(0, 1, "-2/3"), _row(0, "4/3", "-8/9"), _row(0, -1, 1)),
)

# Rodas5P, of Steinebach 2023, as OrdinaryDiffEq.jl prints it: stiffly accurate, L-stable, with an embedded method of order four.
_RODAS5P = Rosenbrock(
    Fraction("0.21193756319429014"),
    (
        (),
        _row("3.0"),
        _row("2.849394379747939", "0.45842242204463923"),
        _row("-6.954028509809101", "2.489845061869568", "-10.358996098473584"),
        _row("2.8029986275628964", "0.5072464736228206", "-0.3988312541770524", "-0.04721187230404641"),
        _row("-7.502846399306121", "2.561846144803919", "-11.627539656261098", "-0.18268767659942256", "0.030198172008377946"),
        _row("-7.502846399306121", "2.561846144803919", "-11.627539656261098", "-0.18268767659942256", "0.030198172008377946", 1),
        _row("-7.502846399306121", "2.561846144803919", "-11.627539656261098", "-0.18268767659942256", "0.030198172008377946", 1, 1),
    ),
    (
        (),
        _row("-14.155112264123755"),
        _row("-17.97296035885952", "-2.859693295451294"),
        _row("147.12150275711716", "-1.41221402718213", "71.68940251302358"),
        _row("165.43517024871676", "-0.4592823456491126", "42.90938336958603", "-5.961986721573306"),
        _row("24.854864614690072", "-3.0009227002832186", "47.4931110020768", "5.5814197821558125", "-0.6610691825249471"),
        _row("30.91273214028599", "-3.1208243349937974", "77.79954646070892", "34.28646028294783", "-19.097331116725623", "-28.087943162872662"),
        _row("37.80277123390563", "-3.2571969029072276", "112.26918849496327", "66.9347231244047", "-40.06618937091002", "-54.66780262877968", "-9.48861652309627"),
    ),
    _row(0, "0.6358126895828704", "0.4095798393397535", "0.9769306725060716", "0.4288403609558664", 1, 1, 1),
    _row(
        "0.21193756319429014", "-0.42387512638858027", "-0.3384627126235924", "1.8046452872882734", "2.325825639765069",
        0, 0, 0,
    ),
    # Of order four.
    (
        _row("25.948786856663858", "-2.5579724845846235", "10.433815404888879", "-2.3679251022685204", "0.524948541321073", "1.1241088310450404", "0.4272876194431874", "-0.17202221070155493"),
        _row("-9.91568850695171", "-0.9689944594115154", "3.0438037242978453", "-24.495224566215796", "20.176138334709044", "15.98066361424651", "-6.789040303419874", "-6.710236069923372"),
        _row("11.419903575922262", "2.8879645146136994", "72.92137995996029", "80.12511834622643", "-52.072871366152654", "-59.78993625266729", "-0.15582684282751913", "4.883087185713722"),
    ),
)  # fmt: skip

_STEPS, _NOISY, _TOLERANCES = (
    ("steps", "adjoint", "grid", "reuse"),
    ("steps", "grid", "reuse"),
    ("rtol", "atol", "max_steps", "adjoint"),
)

SOLVERS: dict[str, Solver] = {
    solver.name: solver
    for solver in (
        Solver("euler", 1, Tableau(((),), _row(1), _row(0)), "Euler 1768", ("#9fb3c8", "o"), "euler", _STEPS),
        Solver(
            "midpoint", 2, Tableau(((), _row("1/2")), _row(0, 1), _row(0, "1/2")),
            "Runge 1895", ("#edae49", "s"), "midpoint", _STEPS,
        ),
        Solver(
            "heun", 2, Tableau(((), _row(1)), _row("1/2", "1/2"), _row(0, 1)),
            "Heun 1900", ("#00798c", "D"), "heun2", _STEPS,
        ),
        Solver(
            "ralston", 2, Tableau(((), _row("2/3")), _row("1/4", "3/4"), _row(0, "2/3")),
            "Ralston 1962", ("#b5651d", "p"), "midpoint", _STEPS,
        ),
        Solver(
            "rk4", 4,
            Tableau(
                ((), _row("1/2"), _row(0, "1/2"), _row(0, 0, 1)),
                _row("1/6", "1/3", "1/3", "1/6"), _row(0, "1/2", "1/2", 1),
            ),
            "Kutta 1901", ("#20304a", "^"), "rk4", _STEPS,
        ),
        Solver(
            "ab2", 2, Adams(_row("3/2", "-1/2")), "Adams and Bashforth 1883", ("#8d6a9f", "v"), "midpoint", _STEPS
        ),
        Solver(
            "ab3", 3, Adams(_row("23/12", "-16/12", "5/12")),
            "Adams and Bashforth 1883", ("#7a9e4b", "P"), "rk4", _STEPS,
        ),
        Solver(
            "euler_maruyama", 1, Tableau(((),), _row(1), _row(0)),
            "Maruyama 1955", ("#b07aa1", "X"), options=_NOISY, draws=1,
            noise="Ito's integral: weakly of order 1, strongly of order 1/2; 1 where no factor reads a state",
        ),
        Solver(
            "stratonovich_heun", 1, Tableau(((), _row(1)), _row("1/2", "1/2"), _row(0, 1)),
            "Rümelin 1982", ("#6b5b95", "*"), options=_NOISY, draws=1,
            noise="Stratonovich's integral: weakly of order 1, and strongly, too, for noise that commutes",
        ),
        Solver(
            "milstein", 1, Milstein(_row(1)), "Milstein 1974", ("#8c564b", "d"), options=_NOISY, draws=1,
            noise="Ito's integral: strongly of order 1 for noise that commutes, with the derivative of its factor; weakly of order 1",
        ),
        Solver(
            "sra1", 2,
            Additive(
                ((), _row("3/4")), _row("1/3", "2/3"), _row(0, "3/4"),
                (_row(0, 0), _row("3/2", 0)), _row(1, 0), _row(1, 0), _row(-1, 1),
            ),
            "Rößler 2010", ("#2f6b3a", "H"), options=_NOISY, draws=2,
            noise="strongly of order 3/2, weakly of order 2, for noise whose factor reads no state",
        ),
        Solver("bosh3", 3, _BOSH3, "Bogacki and Shampine 1989", ("#5f9ea0", "h"), "bosh3", _TOLERANCES),
        Solver("tsit5", 5, _TSIT5, "Tsitouras 2011", ("#c0504d", "<"), "dopri5", _TOLERANCES),
        Solver("rodas5", 5, _RODAS5P, "Steinebach 2023", ("#c0392b", "d"), options=("rtol", "atol", "max_steps")),
        Solver("dopri5", 5, _DOPRI5, "Dormand and Prince 1980", ("#4f81bd", ">"), "dopri5", _TOLERANCES),
    )
}  # fmt: skip


def takes_increments(node: Node) -> bool:
    """Whether an integral is of increments, with or without noise."""
    return node.op is Integrate and SOLVERS[Integrate.of(node).method].stochastic


def takes_derivatives(node: Node) -> bool:
    """Whether an integral takes derivatives for itself: of its velocity, of the factor of its noise, or of the condition that ends it."""
    integral = node.structure
    if not isinstance(integral, Integrate):
        return False
    solver = SOLVERS[integral.method]
    return integral.until or solver.implicit or solver.stochastic
